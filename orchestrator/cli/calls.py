"""`tandem calls` and `tandem records`: what goes on, and what went on."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from orchestrator.cli.client import DEFAULT_URL, Client, CompanyName, DataDir, Key, Url

REFRESH_S = 1.0
CALL_ID_CHARS = 36
"""Whole, because other commands take it."""


def calls(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing until Ctrl-C.")] = False,
    company: CompanyName = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = Path("data"),
) -> None:
    """Show the calls that go on now."""
    client = Client.open(url, key, data_dir, company)
    if not watch:
        Console().print(_table(client))
        return
    try:
        with Live(_table(client), auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH_S)
                live.update(_table(client), refresh=True)
    except KeyboardInterrupt:
        return


def records(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, the newest first.")] = 20,
    person: Annotated[str | None, typer.Option(help="Only calls of this person.")] = None,
    company: CompanyName = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = Path("data"),
) -> None:
    """Show the last call records."""
    found = Client.open(url, key, data_dir, company).get("/call-records", limit=limit, person=person)
    table = Table("started", "from", "dialled", "answered by", "wait", "talk", "end", "MOS", box=box.SIMPLE)
    table.add_column("call", no_wrap=True, overflow="fold", min_width=CALL_ID_CHARS)
    for record in found["items"]:
        qualities = [leg["media"]["mos"] for leg in record["legs"] if leg["media"] and leg["media"]["mos"]]
        table.add_row(
            record["started_at"][5:19].replace("T", " "),
            _who(record["caller"]),
            record["called"],
            _who(record["answered_by"]),
            f"{record['wait_ms'] / 1000:.1f} s",
            f"{record['talk_ms'] / 1000:.0f} s",
            record["cause"] or "going on",
            f"{min(qualities):.1f}" if qualities else "",
            record["call"],
        )
    Console().print(table)


def _table(client: Client) -> Table:
    table = Table("since", "from", "dialled", "state", "with", box=box.SIMPLE)
    table.add_column("call", no_wrap=True, overflow="fold", min_width=CALL_ID_CHARS)
    for call in client.pages("/calls"):
        table.add_row(
            call["started_at"][11:19],
            _who(call["caller"]),
            call["called"],
            call["state"],
            _who(call["answered_by"]) or call["to"] or "",
            call["call"],
        )
    return table


def _who(party: dict[str, Any] | None) -> str:
    if not party:
        return ""
    return " ".join(filter(None, (party["name"], party["number"]))) or party["trunk"] or ""
