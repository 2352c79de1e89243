"""Puts the sub-commands together, and turns what they raise into one line."""

import sys

import typer

from orchestrator.cli import apply, bans, calls, demo, doctor, keys, phone, serve, trace
from orchestrator.cli.client import ApiError
from orchestrator.model.errors import ConfigError, ResourceError

app = typer.Typer(
    name="tandem",
    help="A telephone exchange for a whole company.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(demo.demo)
app.command()(apply.apply)
app.command()(apply.export)
app.command()(calls.calls)
app.command()(calls.records)
app.command()(trace.trace)
app.command()(doctor.doctor)
app.add_typer(bans.app, name="bans")
app.add_typer(keys.app, name="keys")
app.add_typer(phone.app, name="phone")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ConfigError as error:
        for problem in error.problems:
            print(f"tandem: {problem}", file=sys.stderr)
        sys.exit(2)
    except (ApiError, ResourceError) as error:
        print(f"tandem: {error}", file=sys.stderr)
        sys.exit(1)
