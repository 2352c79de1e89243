"""`tandem demo`: an exchange with the demo company, and its phones in a process of their own."""

import os
import subprocess
import sys
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import trio
import typer
import yaml

from orchestrator.cli.client import command
from orchestrator.cli.logs import set_up_logs
from orchestrator.cli.serve import heed_signals, open_served, run_alone
from orchestrator.model.errors import ResourceError
from orchestrator.settings import Settings

PHONES_END_WITHIN_S = 6.0
SAID_MAX_BYTES = 16 * 1024
"""Kept of what the phones say on standard error: the end."""


def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("data/demo"),
    address: Annotated[
        str, typer.Option(help="Address to listen on; one of yours lets real phones in.")
    ] = "127.0.0.1",
    sip_port: Annotated[int, typer.Option(min=1, max=65535, help="UDP and TCP.")] = 5060,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="API and live page.")] = 8080,
    carrier_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the carrier at 127.0.0.2.")] = 5090,
    calls: Annotated[int, typer.Option(min=0, max=100, help="Calls at once, at most; 0: only yours.")] = 4,
) -> None:
    """Start an exchange with the demo company and keep its phones calling. Ctrl-C ends everything."""
    document = yaml.safe_load(resources.files("demo").joinpath("company.yaml").read_text(encoding="utf-8"))
    document["trunks"][0]["port"] = carrier_port
    set_up_logs("warning")
    settings = Settings.from_environment(
        os.environ,
        data_dir=data_dir,
        sip_listen=(f"udp:{address}:{sip_port}", f"tcp:{address}:{sip_port}"),
        http_listen=f"{address}:{http_port}",
        media_address=address,
        default_realm=document["domain"],
    )
    # Phones on this machine find an exchange that listens everywhere on loopback.
    at = f"{'127.0.0.1' if address == '0.0.0.0' else address}:{sip_port}"
    phones = [sys.executable, "-m", "demo.phones", "--exchange", at]
    phones += ["--carrier-port", str(carrier_port), "--calls", str(calls)]

    async def run() -> None:
        with heed_signals() as stopped:
            async with open_served(settings) as (exchange, urls), trio.open_nursery() as nursery:
                await exchange.apply(document, by="demo")
                _announce(settings, document, urls[0], at)
                nursery.start_soon(keep_phones, phones)
                await stopped()
                nursery.cancel_scope.cancel()

    run_alone(run)


async def keep_phones(command: list[str]) -> None:
    """Run the phones until cancelled. Raises `ResourceError` with what they said last if they end by themselves."""

    async def end(process: trio.Process) -> None:
        process.terminate()
        with trio.move_on_after(PHONES_END_WITHIN_S):
            await process.wait()
        process.kill()

    run = partial(trio.run_process, command, check=False, stderr=subprocess.PIPE, deliver_cancel=end)
    said = b""
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        if process.stderr is not None:
            async for chunk in process.stderr:
                said = (said + chunk)[-SAID_MAX_BYTES:]
    why = said.decode(errors="replace").strip() or f"status {process.returncode}"
    raise ResourceError(f"the demo's phones have ended: {why}")


def _announce(settings: Settings, document: dict[str, Any], url: str, at: str) -> None:
    """What a visitor needs to look around and to call in."""
    key = (settings.data_dir / "operator.key").read_text(encoding="utf-8").strip()
    guest = next(person for person in document["people"] if person["id"] == "guest")["devices"][0]
    calls = command("calls --watch", url=url, data_dir=settings.data_dir)
    phone = f"phone call 102 --user {guest['id']} --password {guest['password']} --server {at}"
    print(
        f"""
Tandem is up with the company “{document["name"]}”. Ctrl-C ends it.

  live page      {url}/
  API            {url}/api/v1      documentation: {url}/docs
  key            {key}
                 (kept in {settings.data_dir}, where commands find it)

Look on          {calls}

Your own phone   user {guest["id"]}, password {guest["password"]}, domain {document["domain"]},
                 proxy {at}, UDP or TCP. It is 109; call 102, 105 or +74951234500.
Without a phone  {command(phone)}
""",
        flush=True,
    )
