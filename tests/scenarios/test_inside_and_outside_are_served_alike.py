"""A short number and a public number that lead to one person take a caller the same way."""

import math

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from orchestrator.model.calls import Failed, Refusal
from orchestrator.model.directory import RingStrategy
from orchestrator.model.identifiers import CallId, LegId
from orchestrator.model.journal import (
    CallAnswered,
    DeviceFailed,
    DeviceRang,
    DeviceSkipped,
    Entry,
    PersonNotReached,
)
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, mobile, open_office, person, sip, to

NUMBER = "+74951234501"
PHONES = {
    "answers": Phone(after_s=4),
    "busy": Phone(Failed(Refusal.BUSY, 486), 1),
    "declines": Phone(Failed(Refusal.DECLINED, 603), 2),
    "silent": Phone(after_s=math.inf),
}


@pytest.mark.parametrize("behaves", PHONES)
@pytest.mark.parametrize("strategy", RingStrategy)
async def test_the_same_phones_ring_at_the_same_time_for_the_same_reasons(
    strategy: RingStrategy, behaves: str, autojump_clock: MockClock
) -> None:
    steps = dict.fromkeys((Refusal.BUSY, Refusal.NO_ANSWER, Refusal.DECLINED), to("boris"))
    devices = (sip("off"), sip("desk", delay_s=1), mobile("mobile", "+79161230101", delay_s=6))
    anna = person("anna", "101", *devices, strategy=strategy, then=steps)
    ways = []
    for called, device in (("101", "zoe-desk"), (NUMBER, None)):
        company = acme(anna, person("boris", "102"), numbers={NUMBER: to("anna")})
        async with open_office(company) as office:
            office.online("desk", PHONES[behaves])
            office.outside("+79161230101", PHONES["silent"])
            office.online("boris-desk", Phone(after_s=3))
            office.call(called, device=device, talks_s=5)
            await office.all_over()
        began_s = office.journal.lines[0].at_s
        # Times count from each call's own beginning, on a clock that both share.
        ways.append(
            [(round(line.at_s - began_s, 6), _anonymous(line.entry)) for line in office.journal.lines]
        )
    inside, outside = ([line for line in way if line[1] is not None] for way in ways)
    assert len(inside) > 2
    assert sorted(inside, key=repr) == sorted(outside, key=repr)


def _anonymous(entry: Entry) -> object:
    """What the search for somebody did, without the names that differ from call to call; None for the rest."""
    match entry:
        case DeviceSkipped() | PersonNotReached():
            return replace(entry, call=CallId(""))
        case CallAnswered() | DeviceFailed() | DeviceRang():
            return replace(entry, call=CallId(""), leg=LegId(0))
        case _:
            return None
