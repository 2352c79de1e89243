"""Whether the exchange works, for load balancers and people without a key."""

from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.schemas import Out
from orchestrator.app import Exchange

router = APIRouter(tags=["operations"])


class HealthOut(Out):
    """What works. Answered with 503 when calls are not served; figures that are behind only degrade."""

    status: str
    engine: bool
    journal: bool
    store: bool
    certificate: bool
    """That of SIP over TLS, where it is listened for."""
    certificate_ends_at: datetime | None = None
    """It is shown to everybody who connects, so this is no secret."""
    folds: bool
    listening: list[str]
    """Where SIP is taken, such as "udp:5060" and "wss:7443"."""


@router.get(
    "/health", operation_id="getHealth", response_model=HealthOut, responses={503: {"model": HealthOut}}
)
async def show(request: Request) -> Response:
    """Small and free of details: nobody has shown a key."""
    exchange: Exchange = request.app.state.exchange
    health = exchange.health()
    parts = {"engine": health.engine.ok, "journal": health.journal.ok, "store": health.store.ok}
    others = {"certificate": health.certificate.ok, "folds": health.folds.ok}
    status = "ok" if all(parts.values()) and all(others.values()) else "degraded"
    body: dict[str, object] = {"status": status, **parts, **others, "listening": exchange.listening()}
    if certificate := exchange.certificate():
        body["certificate_ends_at"] = certificate.ends_at.isoformat().replace("+00:00", "Z")
    return JSONResponse(body, 200 if all(parts.values()) else 503)
