"""`tandem apply` and `tandem export`: a whole company as one document."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import yaml
from rich.console import Console

from orchestrator.cli.client import DEFAULT_URL, Client, CompanyName, DataDir, Key, Refused, Url
from orchestrator.cli.documents import read_document


def apply(
    file: Annotated[Path, typer.Argument(help="The company document, YAML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = Path("data"),
) -> None:
    """Make a company exactly what FILE says. Shows the changes first; a document with mistakes changes nothing."""
    document = msgspec.json.encode(read_document(file))
    client = Client.open(url, key, data_dir)
    console = Console(highlight=False)
    try:
        plan = client.post("/configuration", document, dry_run=True)
    except Refused as error:
        print(f"tandem: {file}: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    if not plan["changes"]:
        console.print(f"{plan['company']}: nothing to change")
        return
    for change in plan["changes"]:
        console.print(f"  {change}", markup=False)
    if dry_run:
        return
    if not yes and sys.stdin.isatty() and not typer.confirm("Apply?", default=True):
        raise typer.Exit(1)
    done = client.post("/configuration", document)
    console.print(f"{done['company']}: {len(done['changes'])} changes applied")


def export(
    company: CompanyName = None, url: Url = DEFAULT_URL, key: Key = None, data_dir: DataDir = Path("data")
) -> None:
    """Print the company as the document that `apply` takes, without secrets."""
    document = Client.open(url, key, data_dir, company).get("/configuration")
    print(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110), end="")
