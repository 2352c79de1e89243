"""From the entries of one call to numbered sentences."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

from attrs import evolve, frozen

from orchestrator.explain import english, russian
from orchestrator.explain.names import Names
from orchestrator.model.identifiers import DeviceId, LegId, PersonId
from orchestrator.model.journal import CallAnswered, CallArrived, DeviceRang, Entry, Record

Language = Literal["en", "ru"]


@frozen
class Sentence:
    """One thing that happened, in words."""

    number: int
    """1, 2, 3 …"""
    seq: int
    at: datetime
    after_s: float
    """Seconds since the first entry of the call."""
    text: str


def trace(records: Sequence[Record], names: Names, language: Language) -> tuple[Sentence, ...]:
    """Tell a call from its entries, oldest first."""
    legs: dict[LegId, tuple[PersonId | None, DeviceId | None, str]] = {}
    names = evolve(names, legs=legs)
    sentences = []
    for number, record in enumerate(records, 1):
        _introduce(record.entry, legs)
        after_s = (record.at - records[0].at).total_seconds()
        text = say(record.entry, names, language)
        sentences.append(Sentence(number, record.seq, record.at, round(after_s, 3), text))
    return tuple(sentences)


def say(entry: Entry, names: Names, language: Language) -> str:
    """Tell one entry."""
    return LANGUAGES[language](entry, names)


def _introduce(entry: Entry, legs: dict[LegId, tuple[PersonId | None, DeviceId | None, str]]) -> None:
    match entry:
        case CallArrived(leg=leg, caller=who) if leg:
            legs[leg] = (who.person, who.device, who.name or who.number)
        case DeviceRang(leg=leg, person=person, device=device, number=number):
            legs[leg] = (person, device, number)
        case CallAnswered(leg=leg, answered_by=who, prompt=None):
            legs.setdefault(leg, (who.person, who.device, who.name or who.number))
        case _:
            pass


LANGUAGES: Final[dict[Language, Callable[[Entry, Names], str]]] = {"en": english.say, "ru": russian.say}
