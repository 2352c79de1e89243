"""The application: routers, error handlers and the OpenAPI document, around the facade of the exchange."""

from typing import Final

import structlog
from attrs import evolve
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import metrics, pages
from api.bodies import DOCUMENT, SMALL, Bodies
from api.counters import HttpCounters
from api.envelopes import Envelopes
from api.frame import Frame
from api.openapi import build_openapi, methods_of
from api.problems import Problem, Wrong, answer, request_id_of
from api.routers import (
    bans,
    calls,
    commands,
    companies,
    configuration,
    counters,
    events,
    health,
    keys,
    numbers,
    people,
    records,
    registrations,
    sites,
    trunks,
)
from api.security import Buckets, MetricsRead
from api.streams import Streams
from orchestrator.app import Exchange
from orchestrator.model.errors import ConfigError, DomainError, ResourceError

_log = structlog.get_logger(__name__)

NOUNS: Final = (
    companies,
    people,
    numbers,
    trunks,
    sites,
    registrations,
    calls,
    commands,
    records,
    counters,
    events,
    configuration,
    keys,
    bans,
    health,
)


def create_app(exchange: Exchange, http: HttpCounters | None = None) -> FastAPI:
    """Build the application. `http` is what the server counts into; `/metrics` tells it."""
    http = http or HttpCounters()
    app = FastAPI(
        title="Tandem",
        version="1",
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            Problem: _on_problem,
            HTTPException: _on_http,
            RequestValidationError: _on_invalid,
            DomainError: _on_domain,
            ConfigError: _on_config,
            ResourceError: _on_resource,
        },
    )
    app.state.exchange = exchange
    app.state.bodies = bodies = Bodies(http)
    app.state.buckets = Buckets()
    app.state.envelopes = Envelopes()
    app.state.streams = Streams(http)
    app.openapi = lambda: build_openapi(app)  # type: ignore[method-assign]  # FastAPI documents this way
    root = APIRouter(prefix="/api/v1")
    for noun in NOUNS:
        root.include_router(noun.router)
    app.include_router(root)
    app.routes.extend(pages.routes())
    app.add_middleware(Frame, counters=http, bodies=bodies, new_id=exchange.new_id)

    @app.get("/metrics", operation_id="getMetrics", tags=["operations"], response_class=Response)
    async def show_metrics(access: MetricsRead) -> Response:
        """Figures for Prometheus."""
        return Response(
            metrics.render(access.exchange, http, access.principal.company), media_type=metrics.MEDIA_TYPE
        )

    return app


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(error, request_id_of(request))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = Problem.of_http(error)
    if problem.code == "method_not_allowed":
        problem = evolve(problem, headers={"Allow": ", ".join(methods_of(request.app, request.url.path))})
    return answer(problem, request_id_of(request))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(Problem.of_validation(error), request_id_of(request))


async def _on_domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    headers = {"Retry-After": "5"} if error.code in ("storage_unavailable", "overloaded") else {}
    return answer(Problem(error.code, str(error), headers=headers), request_id_of(request))


async def _on_config(request: Request, error: Exception) -> Response:
    assert isinstance(error, ConfigError)
    wrong = [Wrong(problem.path, "invalid", problem.what) for problem in error.problems]
    detail = f"{len(wrong)} things are wrong" if len(wrong) != 1 else str(error.problems[0])
    return answer(Problem("invalid_configuration", detail, wrong), request_id_of(request))


async def _on_resource(request: Request, error: Exception) -> Response:
    _log.error("storage unavailable", error=str(error))
    return answer(Problem("storage_unavailable", headers={"Retry-After": "5"}), request_id_of(request))


DESCRIPTION: Final[str] = f"""The whole exchange over HTTP.

* **Keys.** `Authorization: Bearer KEY`. Each operation names the scope that it needs.
* **Errors** are RFC 9457 problems; programs decide by `code`.
* **Lists** are pages: pass `next_cursor` as `cursor`.
* **Changes** need `If-Match`, or `If-None-Match: *` to make something new.
* **Bodies** have at most {SMALL.size >> 10} KiB, documents of a whole company {DOCUMENT.size >> 20} MiB.
* **Commands** answer 202; what becomes of them is told by exactly one `command.completed` or `command.failed`.
"""
