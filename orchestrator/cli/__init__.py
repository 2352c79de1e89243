"""The `tandem` command: one file a sub-command. Errors are one clear line and a non-zero exit."""

from orchestrator.cli.main import main

__all__ = ["main"]
