"""`tandem apply` and `tandem export`: a whole company as one document."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from orchestrator.cli.client import (
    DEFAULT_DATA_DIR,
    DEFAULT_URL,
    Client,
    CompanyName,
    DataDir,
    Key,
    Refused,
    Url,
)
from orchestrator.cli.documents import read_document
from orchestrator.model.errors import ConfigError, Problem


def apply(
    file: Annotated[Path, typer.Argument(help="The company document, YAML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a company exactly what FILE says. Shows the changes first; a document with mistakes changes nothing."""
    try:
        document = msgspec.json.encode(read_document(file))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError([Problem(str(file), f"is no document: {error}")]) from error
    client = Client.open(url, key, data_dir)
    try:
        plan = client.post("/configuration", document, dry_run=True)
    except Refused as error:
        print(f"tandem: {file}: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    if not plan["changes"]:
        print(f"{plan['company']}: nothing to change")
        return
    for change in plan["changes"]:
        print(f"  {change}")
    if dry_run:
        print(f"{plan['company']}: {_counted(plan)} to make")
        return
    if not yes:
        _ask(plan["changes"])
    done = client.post("/configuration", document)
    print(f"{done['company']}: {_counted(done)} made")


def _ask(changes: list[str]) -> None:
    """Raises `typer.Exit` unless somebody agrees. Where something is lost, Enter alone does not."""
    if not sys.stdin.isatty():
        print("tandem: nobody is here to be asked, and nothing was changed: give --yes", file=sys.stderr)
        raise typer.Exit(2)
    if not typer.confirm("Apply?", default=not any(line.endswith(" removed") for line in changes)):
        print("nothing was changed")
        raise typer.Exit(1)


def _counted(plan: dict[str, Any]) -> str:
    count = len(plan["changes"])
    return f"{count} change{'' if count == 1 else 's'}"


def export(
    company: CompanyName = None, url: Url = DEFAULT_URL, key: Key = None, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Print the company as the document that `apply` takes, without secrets."""
    document = Client.open(url, key, data_dir, company).get("/configuration")
    print(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110), end="")
