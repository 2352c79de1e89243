"""Whether the exchange works, for load balancers and people without a key."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.schemas import Out
from orchestrator.app import Exchange

router = APIRouter(tags=["operations"])


class HealthOut(Out):
    """What works. Answered with 503 when something does not."""

    status: str
    engine: bool
    journal: bool
    store: bool


@router.get(
    "/health", operation_id="getHealth", response_model=HealthOut, responses={503: {"model": HealthOut}}
)
async def show(request: Request) -> Response:
    """Small and free of details: nobody has shown a key."""
    exchange: Exchange = request.app.state.exchange
    health = exchange.health()
    parts = {"engine": health.engine.ok, "journal": health.journal.ok, "store": health.store.ok}
    well = all(parts.values())
    return JSONResponse({"status": "ok" if well else "degraded", **parts}, 200 if well else 503)
