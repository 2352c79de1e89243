"""What holds for every request, outside of all routes: an id, security headers, counting, and a bounded body.

The body is read whole before a route sees it; but routes that take documents read them themselves.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import structlog
import trio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.bodies import SMALL, Bodies
from api.connections import source_of
from api.counters import HttpCounters
from api.problems import Problem, answer

_log = structlog.get_logger(__name__)


class Frame:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, counters: HttpCounters, bodies: Bodies, new_id: Callable[[], str]
    ) -> None:
        self._app = app
        self._counters = counters
        self._bodies = bodies
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no such socket"})
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        scope["tandem.request_id"] = request_id = given if _ID.fullmatch(given) else self._new_id()
        exchange = _Exchange(scope, send, request_id)
        started = trio.current_time()
        try:
            await self._serve(scope, receive, exchange, headers)
        except Exception:
            self._counters.errors += 1
            _log.exception("request failed", request_id=request_id, path=scope["path"][:200])
            if not exchange.status:
                await answer(Problem("internal_error"), request_id)(scope, receive, exchange.send)
        finally:
            route = scope.get("route")
            name = getattr(route, "path_format", None) or getattr(route, "path", None) or "none"
            self._counters.request(scope["method"], name, exchange.status, trio.current_time() - started)

    async def _serve(self, scope: Scope, receive: Receive, exchange: "_Exchange", headers: Headers) -> None:
        if len(scope["raw_path"] or b"") + len(scope["query_string"]) > MAX_URL:
            await answer(Problem("too_large", "the URL"), exchange.request_id)(scope, receive, exchange.send)
            return
        try:
            if scope["path"] == DOCUMENTS:
                await self._app(scope, receive, exchange.send)
                return
            async with self._bodies.taken(receive, headers, SMALL, source_of(scope.get("client"))) as body:
                await self._app(scope, _replay(body, receive), exchange.send)
        except ClientDisconnect:
            return  # Whoever asked is gone, in the middle of it: nothing may come of half a document.
        except Problem as problem:
            await answer(problem, exchange.request_id)(scope, receive, exchange.send)


class _Exchange:
    """The answer to one request: remembers its status, adds the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.status = 0
        self.request_id = request_id
        self._scope = scope
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            for name, value in self._scope.get("tandem.headers", {}).items():
                headers[name] = value
        await self._send(message)


def _replay(body: bytes, receive: Receive) -> Receive:
    first: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replayed() -> Message:
        nonlocal first
        if first is not None:
            message, first = first, None
            return message
        return await receive()

    return replayed


SECURITY_HEADERS: Final[dict[str, Any]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DOCUMENTS: Final = "/api/v1/configuration"
"""Takes bodies beyond `SMALL`, from those only who may."""
MAX_URL: Final = 8 * 1024
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
