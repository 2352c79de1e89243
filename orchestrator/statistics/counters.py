"""Figures of the day: how many called, were answered, missed, how long they waited and talked.

A call counts for the company's local day on which it arrived. Every call that arrived is ringing, or is exactly
one of answered, missed, refused, announced: `offered` is always their sum.
"""

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from orchestrator.model.calls import Direction
from orchestrator.model.identifiers import E164, PersonId


@frozen
class Figures:
    """What happened to some calls of one day."""

    offered: int
    ringing: int
    """Not answered by a human and not over."""
    talking: int
    answered: int
    """By a human, whether over or not."""
    missed: int
    """Nobody answered, and no announcement was all that the caller was to have."""
    refused: int
    """Turned away: unknown number, not allowed, our fault."""
    announced: int
    """Led to an announcement, as declared, and sought nobody."""
    wait_mean_ms: float | None
    """Arrival to answer, over the answered; None if there were none."""
    talk_ms: int
    """Of the calls that are over."""
    talk_mean_ms: float | None
    """Over the answered calls that are over; None if there were none."""


@frozen
class PersonFigures:
    """One person's day."""

    offered: int
    """Times that a caller sought this person."""
    ringing: int
    talking: int
    """As the one who answered or called."""
    answered: int
    missed: int
    made: int
    """Calls that this person began."""
    wait_mean_ms: float | None
    talk_ms: int
    """As the one who answered or called; whole calls, of those that are over."""


@frozen
class Counters:
    """One company's figures at a moment."""

    day: str
    """The company's local date, "2026-11-24"."""
    at: datetime
    calls_now: int
    """All that are going on, those that arrived on an earlier day included."""
    total: Figures
    by_direction: Mapping[Direction, Figures]
    by_person: Mapping[PersonId, PersonFigures]
    by_number: Mapping[E164, Figures]
