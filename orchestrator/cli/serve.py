"""`tandem serve`: the exchange and its HTTP API in one trio run."""

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import trio
import typer

from orchestrator.cli.client import command
from orchestrator.cli.documents import read_document
from orchestrator.cli.logs import set_up_logs
from orchestrator.model.errors import ConfigError, Problem, ResourceError
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.app import Exchange


def serve(
    data_dir: Annotated[Path | None, typer.Option(help="Database, keys, own prompts; default: data.")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="sqlite:///path; default: tandem.db in the data folder.")
    ] = None,
    sip_listen: Annotated[
        list[str] | None,
        typer.Option(
            help="udp:ADDRESS:PORT, tcp:, tls:, ws: or wss:; may be repeated. Default: UDP and TCP on 0.0.0.0:5060."
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(help="Certificate of tls: and wss:, with its chain, PEM; read again when it changes."),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    tls_authorities: Annotated[
        Path | None, typer.Option(help="Whom trunks may be certified by, beside the system's, PEM.")
    ] = None,
    ws_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Page that may connect by WebSocket: https://phone.example, or * for any; may be repeated."
        ),
    ] = None,
    http_listen: Annotated[
        str | None, typer.Option(help="ADDRESS:PORT of the API and the live page; default: 127.0.0.1:8080.")
    ] = None,
    media_address: Annotated[
        str | None, typer.Option(help="Address that RTP is bound to; default: 0.0.0.0.")
    ] = None,
    media_ports: Annotated[
        str | None, typer.Option(help="RTP ports, FIRST-LAST; default: 16384-32767.")
    ] = None,
    advertised_address: Annotated[
        str | None, typer.Option(help="What phones are told, behind a NAT.")
    ] = None,
    default_realm: Annotated[
        str | None, typer.Option(help="Domain of phones that name this exchange's address as theirs.")
    ] = None,
    media_threads: Annotated[
        int | None, typer.Option(min=1, max=64, help="Threads that relay media.")
    ] = None,
    max_legs: Annotated[
        int | None, typer.Option(min=2, help="Legs at once, two a call; above it new calls get 503.")
    ] = None,
    max_requests_of_source: Annotated[
        int | None,
        typer.Option(min=1, help="SIP requests of one address within 32 s, but a trunk's; default: 10000."),
    ] = None,
    sip_trace_calls: Annotated[
        int | None,
        typer.Option(
            min=0, max=100_000, help="Calls whose SIP messages are kept, the newest; default: 1000."
        ),
    ] = None,
    name_servers: Annotated[
        list[str] | None,
        typer.Option(
            help="ADDRESS or ADDRESS:PORT, asked for the hosts of trunks; may be repeated. Default: this machine's."
        ),
    ] = None,
    ban_s: Annotated[
        str | None,
        typer.Option(
            help="Seconds that who guesses passwords or floods is banned, FIRST-LONGEST; default: 300-86400."
        ),
    ] = None,
    never_ban: Annotated[
        list[str] | None, typer.Option(help="Address or network that is never banned; may be repeated.")
    ] = None,
    hep: Annotated[
        str | None, typer.Option(help="udp:ADDRESS:PORT of a collector that gets each SIP message by HEPv3.")
    ] = None,
    hep_id: Annotated[
        int | None, typer.Option(help="What the collector knows this exchange by; default: 1.")
    ] = None,
    hep_password: Annotated[
        str | None, typer.Option(help="The collector's password; rather in TANDEM_HEP_PASSWORD.")
    ] = None,
    company: Annotated[
        list[Path] | None, typer.Option(help="Company document to apply at start; may be repeated.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Start the exchange. Flags but --company and --log-level may stand in the environment: TANDEM_DATA_DIR."""
    settings = Settings.from_environment(
        os.environ,
        data_dir=data_dir,
        database_url=database_url,
        sip_listen=tuple(sip_listen) if sip_listen else None,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_authorities=tls_authorities,
        ws_origin=tuple(ws_origin) if ws_origin else None,
        http_listen=http_listen,
        media_address=media_address,
        media_ports=_pair("--media-ports", "FIRST-LAST", media_ports),
        advertised_address=advertised_address,
        default_realm=default_realm,
        media_threads=media_threads,
        max_legs=max_legs,
        max_requests_of_source=max_requests_of_source,
        sip_trace_calls=sip_trace_calls,
        name_servers=tuple(name_servers) if name_servers else None,
        ban_s=_pair("--ban-s", "FIRST-LONGEST", ban_s),
        never_ban=tuple(never_ban) if never_ban else None,
        hep=hep,
        hep_id=hep_id,
        hep_password=hep_password,
    )
    if log_level not in LOG_LEVELS:
        raise ConfigError(
            [Problem("--log-level", f"must be one of {', '.join(LOG_LEVELS)}, not {log_level!r}")]
        )
    set_up_logs(log_level)
    documents = [read_document(path) for path in company or ()]
    run_until_stopped(settings, documents)


def run_until_stopped(settings: Settings, documents: list[object]) -> None:
    """Serve until SIGINT or SIGTERM. Raises `ConfigError` and `ResourceError`, alone and not in groups."""

    async def run() -> None:
        with heed_signals() as stopped:
            async with open_served(settings) as (exchange, urls):
                for document in documents:
                    await exchange.apply(document, by="command line")
                announce(exchange, urls)
                # What was made until now stays: collecting must not look through it again at every call.
                gc.freeze()
                gc.set_threshold(OBJECTS_BEFORE_COLLECTING, 10, 10)
                await stopped()

    run_alone(run)


def run_alone(run: Callable[[], Awaitable[None]]) -> None:
    """Run a trio program. What operator and host are to blame for is raised alone, not in groups."""
    try:
        trio.run(run)
    except* (ConfigError, ResourceError) as group:
        told: BaseException = group
        while isinstance(told, BaseExceptionGroup):
            told = told.exceptions[0]
        raise told from None


@contextmanager
def heed_signals() -> Iterator[Callable[[], Awaitable[None]]]:
    """Gives what waits for Ctrl-C or SIGTERM. One that comes during the start is not lost: it is heeded then."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def stopped() -> None:
            await anext(signals)
            print("stopping", file=sys.stderr)

        yield stopped


@asynccontextmanager
async def open_served(settings: Settings) -> AsyncIterator["tuple[Exchange, list[str]]"]:
    """An exchange with its API; the URLs that it serves."""
    # Taken in here, so that the commands which only ask over HTTP need not wait for all of it.
    from api.app import create_app
    from api.counters import HttpCounters
    from api.server import serve_http
    from orchestrator.app import open_exchange

    async with open_exchange(settings) as exchange, trio.open_nursery() as nursery:
        counters = HttpCounters()
        web = create_app(exchange, counters)

        async def serve_web(*, task_status: trio.TaskStatus[list[str]]) -> None:
            try:
                await serve_http(web, [settings.http_listen], counters, task_status=task_status)
            except OSError as error:
                raise ResourceError(f"{error}; name another address with --http-listen") from error

        yield exchange, await nursery.start(serve_web)
        nursery.cancel_scope.cancel()


def announce(exchange: "Exchange", urls: list[str]) -> None:
    """Tell the operator where everything is."""
    url = urls[0]
    print(f"Tandem is up. SIP: {', '.join(exchange.switch.engine.listening())}", flush=True)
    print(f"  live page      {url}/", flush=True)
    print(f"  API            {url}/api/v1   documentation: {url}/docs", flush=True)
    print(f"  operator key   {exchange.settings.data_dir / 'operator.key'}", flush=True)
    if not exchange.companies():
        apply = command("apply company.yaml", url=url, data_dir=exchange.settings.data_dir)
        print(f"\nThere is no company yet. README.md has one to begin with; then: {apply}", flush=True)
    structlog.get_logger(__name__).info("exchange_up", http=urls, sip=exchange.switch.engine.listening())


def _pair(flag: str, form: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    try:
        return int(first), int(last)
    except ValueError as error:
        raise ConfigError([Problem(flag, f"must be {form}, not {text!r}")]) from error


LOG_LEVELS = ("debug", "info", "warning", "error")
OBJECTS_BEFORE_COLLECTING = 50_000
"""New objects at which cycles are looked for. A call leaves none behind; what grows meanwhile is the calls that go on,
and to look through them each 700 objects, as Python does, costs a fourteenth of a call."""
