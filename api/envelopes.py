"""How a journal entry looks to those who listen: one envelope for streams and long polls."""

import re
from typing import Final, get_args

import msgspec
from pydantic import BaseModel, Field

from orchestrator.model.journal import Entry, Record

_encoder = msgspec.json.Encoder()
_KEPT: Final = 4_096


def _type_of(kind: type) -> str:
    first, *rest = re.findall("[A-Z][a-z]*", kind.__name__)
    return f"{first.lower()}.{'_'.join(rest).lower()}"


TYPES: Final = {kind: _type_of(kind) for kind in get_args(Entry)}
"""`CallAnswered` → "call.answered"; part of the contract."""


class Envelope(BaseModel):
    """One event."""

    id: str = Field(max_length=20, description="As `seq`; what `Last-Event-ID` and `after` take")
    seq: int = Field(ge=1, description="Counts 1, 2, 3 … per company, without a gap")
    type: str = Field(max_length=64, description="`call.answered` and the like")
    time: str = Field(max_length=32, description="RFC 3339, UTC")
    company: str = Field(max_length=64)
    call: str | None = Field(default=None, max_length=64)
    leg: int | None = None
    cause: dict[str, str] | None = Field(
        default=None, description="The command behind it, if any", max_length=4
    )
    v: int = Field(default=1, description="Version of `data`")
    data: dict[str, object] = Field(description="The entry's own fields", max_length=64)


class Envelopes:
    """Encodes each record once, however many listen."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], bytes] = {}

    def encode(self, record: Record) -> bytes:
        """The envelope as JSON."""
        place = (record.company, record.seq)
        if (found := self._kept.get(place)) is not None:
            return found
        encoded = _encoder.encode(_envelope(record))
        if len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = encoded
        return encoded


def _envelope(record: Record) -> dict[str, object]:
    data: dict[str, object] = msgspec.to_builtins(record.entry)
    command = data.get("command")
    return {
        "id": str(record.seq),
        "seq": record.seq,
        "type": TYPES[type(record.entry)],
        "time": record.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "company": record.company,
        "call": data.pop("call", None),
        "leg": data.pop("leg", None),
        "cause": {"command": command} if command else None,
        "v": 1,
        "data": data,
    }
