"""`tandem demo`: the exchange with the demo company, and its phones in a second process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import trio
import typer

from orchestrator.app import Exchange
from orchestrator.cli.logs import set_up_logs
from orchestrator.cli.serve import announce, open_served, read_document, run_alone, stopped
from orchestrator.settings import Settings

COMPANY = Path(__file__).parent.parent.parent / "demo" / "company.yaml"


def demo(
    address: Annotated[
        str, typer.Option(help="Address to serve on; this machine's own lets phones of the network in.")
    ] = "127.0.0.1",
    sip_port: Annotated[int, typer.Option(min=1, max=65535)] = 5060,
    http_port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Database and keys of the demo.")] = Path("data"),
    phones: Annotated[
        bool, typer.Option(help="Start the demo's phones, which keep calling each other.")
    ] = True,
) -> None:
    """Start the exchange with the demo company and a handful of phones that keep calls going; Ctrl-C ends all."""
    settings = Settings.from_environment(
        os.environ,
        data_dir=data_dir,
        sip_listen=(f"udp:{address}:{sip_port}", f"tcp:{address}:{sip_port}"),
        http_listen=f"{address}:{http_port}",
        media_address=address,
    )
    set_up_logs("warning")

    async def run() -> None:
        document = read_document(COMPANY)
        async with open_served(settings) as (exchange, urls):
            await exchange.apply(document, by="demo")
            announce(exchange, urls)
            _tell_how_to_join(exchange, document, f"{address}:{sip_port}")
            async with trio.open_nursery() as nursery:
                if phones:
                    nursery.start_soon(_run_phones, f"{address}:{sip_port}")
                await stopped()
                nursery.cancel_scope.cancel()

    run_alone(run)


async def _run_phones(exchange: str) -> None:
    """Keep the phones' process alive as long as we are; what it says is shown."""
    command = [sys.executable, "-m", "demo.phones", "--exchange", exchange]
    ended = await trio.run_process(command, check=False, stdin=subprocess.DEVNULL)
    print(f"the demo phones ended ({ended.returncode}); the exchange goes on", file=sys.stderr)


def _tell_how_to_join(exchange: Exchange, document: object, registrar: str) -> None:
    if not isinstance(document, dict):
        return
    device = next(d for p in document["people"] if p["id"] == "guest" for d in p["devices"])
    key = (exchange.settings.data_dir / "operator.key").read_text(encoding="utf-8").strip()
    print(
        f"""
Sign in to the live page with the operator key:
  {key}

Register your own phone (baresip, Linphone, a desk phone …):
  registrar {registrar}   domain {document["domain"]}   user {device["id"]}   password {device["password"]}
Then dial 101, or any other short number that the live page shows.

Look on from another terminal:  .venv/bin/tandem calls --watch      Ctrl-C here ends everything.
""",
        flush=True,
    )
