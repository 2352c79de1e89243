"""The words for what a call looks like on the wire."""

from datetime import datetime

from attrs import frozen

from orchestrator.model.identifiers import LegId


@frozen
class SipMessage:
    """A message of one leg of a call, without secrets: each byte of one is an "x"."""

    at: datetime
    leg: LegId
    received: bool
    """By us; otherwise we sent it."""
    transport: str
    local: str
    """Our address as the far end knows it, with its port."""
    remote: str
    repeated: bool
    """The same bytes came or went before."""
    text: str


@frozen
class SipTrace:
    """The messages of a call, oldest first, as far as they are kept."""

    messages: tuple[SipMessage, ...]
    left_out: int
    """So many are missing in the middle of legs that had too many."""
