"""What became of the commands that were given."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from api.problems import Problem
from api.schemas import IdPath, Out
from api.security import CallsRead
from orchestrator.model.identifiers import CommandId
from orchestrator.statistics.commands import Progress

router = APIRouter(prefix="/commands", tags=["calls"])


class CommandOut(Out):
    """A command. Kept for at least 24 hours."""

    command: str
    kind: str
    progress: Progress
    given_at: datetime
    by: str = Field(description="The name of the key that gave it")
    call: str | None
    code: str = Field(description="Why it failed: a stable word")
    detail: str
    done_at: datetime | None


@router.get("/{command}", operation_id="getCommand", response_model=CommandOut)
async def show(access: CallsRead, command: IdPath) -> object:
    """One command."""
    found = access.exchange.command(access.company, CommandId(command))
    if found is None:
        raise Problem("not_found", "no such command")
    return found
