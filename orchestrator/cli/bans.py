"""`tandem bans`: who is not listened to for a time, for people and for firewalls."""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli.client import DEFAULT_DATA_DIR, DEFAULT_URL, Client, DataDir, Key, Url, segment

app = typer.Typer(help="Sources that are banned: show, hand to a firewall, lift.", no_args_is_help=True)


@app.command("list")
def show(
    form: Annotated[
        Literal["table", "plain", "nft", "json"],
        typer.Option(
            "--format",
            help="For people; a network a line; commands for nft -f -, with time-outs; or one JSON object a line.",
        ),
    ] = "table",
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show who is banned now."""
    bans = list(Client.open(url, key, data_dir).pages("/bans"))
    match form:
        case "table":
            Console(highlight=False).print(_table(bans))
        case "plain":
            _print(ban["network"] for ban in bans)
        case "nft":
            _print(nft(bans))
        case "json":
            _print(json.dumps(ban) for ban in bans)


@app.command()
def lift(
    source: Annotated[str, typer.Argument(help="The address, or any of a banned IPv6 /64.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Listen to a source again, as if it had never been banned."""
    Client.open(url, key, data_dir).delete(f"/bans/{segment(source)}")


def nft(bans: list[dict[str, Any]]) -> Iterator[str]:
    """What makes the sets `banned4` and `banned6` of the nftables table `inet tandem` these bans, in one transaction.

    The table and the sets are made where they are missing; rules that use them are the operator's.
    """
    yield "add table inet tandem"
    for name, kind, colon in (("banned4", "ipv4_addr", False), ("banned6", "ipv6_addr", True)):
        yield f"add set inet tandem {name} {{ type {kind}; flags interval, timeout; }}"
        yield f"flush set inet tandem {name}"
        meant = [ban for ban in bans if (":" in ban["source"]) is colon and ban["left_s"] > 0]
        elements = ", ".join(f"{ban['network']} timeout {ban['left_s']}s" for ban in meant)
        if elements:
            yield f"add element inet tandem {name} {{ {elements} }}"


def _table(bans: list[dict[str, Any]]) -> Table:
    table = Table("source", "reason", "since", "ends", "times", "last account")
    for ban in bans:
        since, ends = (ban[at][:19].replace("T", " ") for at in ("since", "ends_at"))
        table.add_row(ban["network"], ban["reason"], since, ends, str(ban["times"]), ban["account"])
    return table


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
