"""Serves HTTP inside the exchange's own trio run, so that no client can harm a call.

Each connection has its own guard: what goes wrong on it is counted and ends it alone. Connections are limited in all
and per source. Accepting is a supervised child that starts again with back-off. anycorn speaks the protocol on a
connection; its own accept loop is not used, because one exception in it would end the server.
"""

import errno
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Final, cast

import anyio
import anyio.abc
import structlog
import trio
from anycorn.config import Config
from anycorn.tcp_server import TCPServer
from anycorn.typing import ASGIFramework, ConnectionState
from anycorn.utils import wrap_app
from anycorn.worker_context import WorkerContext
from starlette.types import ASGIApp

from api.connections import BoundedStream, source_of
from api.counters import HttpCounters

_log = structlog.get_logger(__name__)


async def serve_http(
    app: ASGIApp,
    listen: Sequence[str],
    counters: HttpCounters,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. `listen` are "127.0.0.1:8080" and "[::1]:8080"; started with the URLs really bound.

    Raises `OSError` naming the address if one cannot be bound; nothing else.
    """
    sockets = [_open(address) for address in listen]
    try:
        task_status.started([_url(s) for s in sockets])
        async with trio.open_nursery() as nursery:
            for listening in sockets:
                nursery.start_soon(_supervise, _Acceptor(app, counters), listening, counters)
    finally:
        for listening in sockets:
            listening.close()


async def _supervise(acceptor: "_Acceptor", listening: socket.socket, counters: HttpCounters) -> None:
    delay_s = RESTART_FIRST_S
    while True:
        started = trio.current_time()
        try:
            await acceptor.run(listening.dup())
        except* Exception:
            counters.server_restarts += 1
            _log.exception("web server restarts", delay_s=delay_s)
        if trio.current_time() - started > RESTART_MAX_S:
            delay_s = RESTART_FIRST_S
        await trio.sleep(delay_s)
        delay_s = min(2 * delay_s, RESTART_MAX_S)


class _Acceptor:
    """Takes connections in and guards each."""

    def __init__(self, app: ASGIApp, counters: HttpCounters) -> None:
        self._app = wrap_app(cast(ASGIFramework, app), wsgi_max_body_size=0, mode="asgi")
        self._counters = counters
        self._config = _config()
        self._by_source: Counter[str] = Counter()
        self._open: set[BoundedStream] = set()
        self._is_short = False
        """The host was short of something when a connection was accepted last; told once."""

    async def run(self, listening: socket.socket) -> None:
        """Accept until cancelled. Owns `listening`."""
        context = WorkerContext(max_requests=None)
        async with (
            await anyio.abc.SocketListener.from_socket(listening) as listener,
            trio.open_nursery() as nursery,
        ):
            try:
                while True:
                    stream = await self._accept(listener)
                    if stream is not None:
                        nursery.start_soon(self._guard, stream, context)
            finally:
                for stream in self._open:
                    stream.abort()

    async def _accept(self, listener: anyio.abc.SocketListener) -> BoundedStream | None:
        try:
            accepted: anyio.abc.SocketStream = await listener.accept()
        except (OSError, anyio.BrokenResourceError) as error:
            shortage = error.__cause__ if isinstance(error, anyio.BrokenResourceError) else error
            if not isinstance(shortage, OSError) or shortage.errno not in _WORTH_WAITING:
                raise
            if not self._is_short:
                _log.warning("new http connections wait", reason=shortage.strerror)
            self._is_short = True
            self._counters.accept_failures += 1
            await trio.sleep(ACCEPT_PAUSE_S)
            return None
        self._is_short = False
        stream = BoundedStream(accepted)
        if (
            len(self._open) >= MAX_CONNECTIONS
            or self._by_source[_source(stream)] >= MAX_CONNECTIONS_PER_SOURCE
        ):
            self._counters.connections_refused += 1
            await stream.aclose()
            return None
        return stream

    async def _guard(self, stream: BoundedStream, context: WorkerContext) -> None:
        source = _source(stream)
        self._open.add(stream)
        self._by_source[source] += 1
        self._counters.connections += 1
        self._counters.connections_open += 1
        try:
            await TCPServer(self._app, self._config, context, ConnectionState({}), stream).run()
        except* Exception as errors:
            self._counters.connections_failed += 1
            _log.info("http connection failed", source=source, error=repr(errors.exceptions[0]))
        finally:
            self._counters.connections_open -= 1
            self._open.discard(stream)
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]


def _config() -> Config:
    config = Config()
    config.errorlog = None
    config.accesslog = None
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.h11_max_incomplete_size = MAX_HEADERS
    config.h2_max_concurrent_streams = 32
    config.h2_max_header_list_size = MAX_HEADERS
    config.websocket_max_message_size = 64 * 1024
    return config


def _open(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family, kind, proto, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, proto)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(place)
            opened.listen(BACKLOG)
            opened.setblocking(False)
        except BaseException:
            opened.close()
            raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OSError(
            getattr(error, "errno", None) or errno.EINVAL, f"cannot listen on {address}: {reason}"
        ) from error
    return opened


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _source(stream: BoundedStream) -> str:
    """Where the client is; "" if it is gone already."""
    return source_of(stream.extra(anyio.abc.SocketAttribute.remote_address, None))


MAX_CONNECTIONS: Final = 2_000
MAX_CONNECTIONS_PER_SOURCE: Final = 500
MAX_HEADERS: Final = 32 * 1024
"""Bytes."""
KEEP_ALIVE_S: Final = 5
"""Also how long a request's headers may take to arrive."""
BACKLOG: Final = 512
ACCEPT_PAUSE_S: Final = 0.1
RESTART_FIRST_S: Final = 0.1
RESTART_MAX_S: Final = 10.0
_WORTH_WAITING: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED}
"""Accepting fails with these while the host is short of something, or the client was quick to leave."""
