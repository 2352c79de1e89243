"""Entries as JSON, by the name of their class."""

from typing import Any, get_args

import msgspec

from orchestrator.devices.store.times import from_us
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.journal import Entry, Record
from orchestrator.statistics.records import CallRecord

_encode = msgspec.json.Encoder().encode
_DECODE = {kind.__name__: msgspec.json.Decoder(kind).decode for kind in get_args(Entry)}
_DECODE_RECORD = msgspec.json.Decoder(CallRecord).decode


def kind_of(entry: Entry) -> str:
    """The name that an entry is stored under."""
    return type(entry).__name__


def encode(value: object) -> bytes:
    """JSON of an entry, a call record, or rows with such in them. About half a microsecond an entry.

    Half characters (lone surrogates), which UTF-8 has no bytes for, become question marks.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_whole(msgspec.to_builtins(value)))


def decode_record(company: CompanyId, seq: int, at_us: int, kind: str, body: bytes) -> Record:
    """The entry as it was written."""
    return Record(company, seq, from_us(at_us), _DECODE[kind](body))


def decode_call_record(body: bytes) -> CallRecord:
    """The record as it was kept."""
    return _DECODE_RECORD(body)


def whole(text: str) -> str:
    """Text that UTF-8 has bytes for."""
    return text.encode(errors="replace").decode()


def _whole(value: Any) -> Any:
    match value:
        case str():
            return whole(value)
        case dict():
            return {_whole(key): _whole(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_whole(inner) for inner in value]
        case _:
            return value
