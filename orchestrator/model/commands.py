"""The words for what an operator or a program may ask of a call. Each is reported exactly once in the journal."""

import enum
from typing import ClassVar

from attrs import frozen

from orchestrator.model.identifiers import CommandId, CompanyId, PersonId


class Side(enum.Enum):
    """A side of a conversation."""

    CALLER = "caller"
    CALLEE = "callee"


@frozen
class HangUpCall:
    """End the call, whatever it is doing."""

    id: CommandId
    kind: ClassVar[str] = "hang_up"


@frozen
class TransferCall:
    """Connect the party that stays to somebody else; the one that leaves is released at once (blind transfer)."""

    id: CommandId
    to: str
    """As dialled by somebody of the company: "102", "+74951234567"."""
    leaving: Side = Side.CALLEE
    kind: ClassVar[str] = "transfer"


@frozen
class OriginateCall:
    """Ring a person's devices, then connect whoever answers to `to`."""

    id: CommandId
    company: CompanyId
    caller: PersonId
    to: str
    """As dialled by that person."""
    kind: ClassVar[str] = "originate"


Command = HangUpCall | TransferCall | OriginateCall
