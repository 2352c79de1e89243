"""`tandem calls` and `tandem records`: what goes on, and what went on. Two lines a call, so that 80 columns do."""

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.cli.client import (
    DEFAULT_DATA_DIR,
    DEFAULT_URL,
    Client,
    CompanyName,
    DataDir,
    Key,
    Refused,
    Url,
    segment,
)

REFRESH_S = 1.0

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, as the API gives it.")]


def calls(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing until Ctrl-C.")] = False,
    as_json: AsJson = False,
    company: CompanyName = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show the calls that go on now."""
    if watch and as_json:
        raise typer.BadParameter("--watch draws on the terminal; follow /api/v1/events instead of --json")
    client = Client.open(url, key, data_dir, company)
    if as_json:
        _print_json(client.pages("/calls"))
        return
    if not watch:
        Console(highlight=False).print(_now(client, {}), soft_wrap=True)
        return
    people: dict[str, str] = {}
    try:
        with Live(_now(client, people), auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH_S)
                live.update(_now(client, people), refresh=True)
    except KeyboardInterrupt:
        return


def records(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, the newest first.")] = 20,
    person: Annotated[str | None, typer.Option(help="Only calls of this person, by id.")] = None,
    as_json: AsJson = False,
    company: CompanyName = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show the last call records."""
    client = Client.open(url, key, data_dir, company)
    found = client.get("/call-records", limit=limit, person=person)["items"]
    if not found and person is not None:
        _check_person(client, person)
    if as_json:
        _print_json(found)
        return
    told = Text("\n").join(_record(record) for record in found) if found else Text("no calls yet")
    Console(highlight=False).print(told, soft_wrap=True)


def _check_person(client: Client, person: str) -> None:
    """Raises `Refused` if the company has nobody of this id, and never had calls of them."""
    try:
        client.get(f"/people/{segment(person)}")
    except Refused as error:
        if error.status == 404:
            raise Refused(f"no person {person!r}: people go by their id in the document", 404) from error


def _record(record: dict[str, Any]) -> Text:
    qualities = [leg["media"]["mos"] for leg in record["legs"] if leg["media"] and leg["media"]["mos"]]
    over, answered = record["ended_at"] is not None, record["answered_at"] is not None
    facts = [
        f"waited {record['wait_ms'] / 1000:.1f} s" if over or answered else "",
        f"talked {record['talk_ms'] / 1000:.0f} s" if over and answered else "",
        (record["cause"] or "goes on").replace("_", " "),
        f"MOS {min(qualities):.1f}" if qualities else "",
    ]
    return _two_lines(record, _who(record["answered_by"]) or "nobody", ", ".join(filter(None, facts)))


def _now(client: Client, people: dict[str, str]) -> Text:
    """`people` keeps the names that were asked for."""
    told = [
        _two_lines(
            call, _who(call["answered_by"]) or _sought(client, call, people), call["state"].replace("_", " ")
        )
        for call in client.pages("/calls")
    ]
    return Text("\n").join(told) if told else Text("no calls now")


def _sought(client: Client, call: dict[str, Any], people: dict[str, str]) -> str:
    """Whom a call seeks, as people know them."""
    kind, _, whom = call["to"].partition(":")
    if kind != "person":
        return whom or kind or "…"
    if whom not in people:
        try:
            person = client.get(f"/people/{segment(whom)}")
            people[whom] = f"{person['name']} {person['extension']}"
        except Refused:
            # They are gone, or the key may not read the directory.
            people[whom] = whom
    return people[whom]


def _two_lines(call: dict[str, Any], whom: str, facts: str) -> Text:
    """Who with whom and since when; then the id whole, because other commands take it."""
    at = f"{call['started_at'][:19].replace('T', ' ')} UTC"
    return Text.assemble(
        f"{at}  {_who(call['caller']) or 'anonymous'} → {call['called']}: {whom}\n",
        (f"  {call['call']}  {facts}", "dim"),
    )


def _who(party: dict[str, Any] | None) -> str:
    if not party:
        return ""
    return " ".join(filter(None, (party["name"], party["number"]))) or party["trunk"] or ""


def _print_json(items: Any) -> None:
    for item in items:
        print(json.dumps(item, ensure_ascii=False))
