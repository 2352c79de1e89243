"""`tandem keys`: API keys."""

import secrets
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli.client import DEFAULT_DATA_DIR, DEFAULT_URL, Client, DataDir, Key, Url, segment

app = typer.Typer(help="API keys: make, show, revoke.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; stands in the journal.")],
    scope: Annotated[
        list[str], typer.Option(help="calls.read, calls.write, directory.read, …, admin; may be repeated.")
    ],
    company: Annotated[str | None, typer.Option(help="The key's company; without it: all.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339, such as 2027-01-01T00:00:00Z.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a key. Its secret is shown this once."""
    body = {"name": name, "scopes": scope, "company": company, "expires_at": expires_at}
    made = Client.open(url, key, data_dir).post("/keys", body, idempotency_key=secrets.token_hex(16))
    print(made["secret"])


@app.command("list")
def show(url: Url = DEFAULT_URL, key: Key = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show the keys, without their secrets."""
    table = Table("id", "name", "company", "scopes", "expires")
    for one in Client.open(url, key, data_dir).pages("/keys"):
        scopes, expires = " ".join(one["scopes"]), one["expires_at"] or "never"
        table.add_row(one["id"], one["name"], one["company"] or "all", scopes, expires)
    Console().print(table)


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The key's id, as `tandem keys list` shows it.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Take a key back at once."""
    Client.open(url, key, data_dir).delete(f"/keys/{segment(id)}")
