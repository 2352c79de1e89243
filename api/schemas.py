"""Shapes that several nouns share. Inputs refuse unknown fields; outputs are read from the words by attribute."""

from typing import Annotated, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from orchestrator.model.calls import EndedBy

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", min_length=1, max_length=64)]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[0-9]{3,15}$")]
Text = Annotated[str, StringConstraints(max_length=200)]
IdPath = Annotated[str, Path(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=200, description="Items of a page")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before")]

T = TypeVar("T")


class In(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)


class Page(Out, Generic[T]):
    """One page of a list."""

    items: list[T] = Field(max_length=200)
    next_cursor: str | None = Field(default=None, description="null on the last page")


class WhoOut(Out):
    """A party of a call."""

    person: str | None = None
    device: str | None = None
    trunk: str | None = None
    number: str = ""
    name: str = ""


class MediaOut(Out):
    """How the sound of a leg was."""

    codec: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    loss_percent: float
    jitter_ms: float
    round_trip_ms: float | None
    mos: float | None = Field(description="1.0 to 4.5 (ITU-T G.107)")


class LegOut(Out):
    """One leg of a call; without `by` it is not over."""

    leg: int
    device: str | None
    person: str | None
    number: str
    by: EndedBy | None
    status: int
    reason: str
    media: MediaOut | None


class CommandGiven(Out):
    """A command was taken. What becomes of it: `GET /commands/{id}`, and exactly one event."""

    command_id: str
