"""A search for faults: any company, any phones, any impatience, commands at any time."""

import math

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from orchestrator.model.calls import Answered, Failed, Refusal
from orchestrator.model.commands import HangUpCall, Side, TransferCall
from orchestrator.model.directory import Announcement, Destination, Person, RingStrategy
from orchestrator.model.errors import StateConflict
from orchestrator.model.identifiers import CommandId
from orchestrator.model.journal import (
    CallAnswered,
    CallEnded,
    CommandCompleted,
    CommandFailed,
    DeviceRang,
    LegFinished,
)
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import BUSY, WELCOME, Office, acme, mobile, open_office, person, sip, to

NAMES = ("anna", "boris", "olga")
NUMBER = "+74951234501"
MOBILE = "+79161230101"
# Few different times, so that things often happen in the same moment.
TIMES = st.sampled_from([0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 20.0, 21.0, 25.0, math.inf])
PHONES = st.builds(
    Phone,
    st.one_of(
        st.just(Answered()),
        st.sampled_from([Refusal.BUSY, Refusal.DECLINED, Refusal.UNREACHABLE]).map(Failed),
    ),
    TIMES,
    TIMES,
)
STEPS: st.SearchStrategy[Destination] = st.one_of(
    st.sampled_from(NAMES).map(to),
    st.just(Announcement(BUSY)),
    st.sampled_from(NAMES).map(lambda name: Announcement(WELCOME, to(name))),
)
PEOPLE = st.tuples(
    *(
        st.builds(
            lambda name, strategy, then, limit: person(
                name,
                str(101 + NAMES.index(name)),
                sip(f"{name}-desk"),
                sip(f"{name}-soft", delay_s=1, ring_s=5),
                mobile(f"{name}-mobile", MOBILE, delay_s=4),
                strategy=strategy,
                then=then,
                call_limit=limit,
            ),
            st.just(name),
            st.sampled_from(RingStrategy),
            st.dictionaries(st.sampled_from(Refusal), STEPS),
            st.sampled_from([None, 1]),
        )
        for name in NAMES
    )
)
DEVICES = [f"{name}-{device}" for name in NAMES for device in ("desk", "soft")]
CALLS = st.tuples(st.sampled_from(["101", "102", NUMBER, MOBILE]), st.booleans(), TIMES, TIMES, st.booleans())
COMMANDS = st.tuples(
    st.sampled_from([0.0, 1.0, 3.0, 5.0, 8.0]), st.sampled_from(["hang_up", "caller", "callee"])
)


@given(
    people=PEOPLE,
    leads=STEPS,
    phones=st.dictionaries(st.sampled_from(DEVICES), PHONES),
    mobile_phone=PHONES,
    calls=st.lists(CALLS, min_size=1, max_size=3),
    originations=st.lists(st.sampled_from(["102", MOBILE]), max_size=1),
    commands=st.lists(COMMANDS, max_size=4),
    stops_s=st.sampled_from([3.0, 300.0]),
)
def test_no_leg_is_left_and_every_call_ends_once(
    people: tuple[Person, ...],
    leads: Destination,
    phones: dict[str, Phone],
    mobile_phone: Phone,
    calls: list[tuple[str, bool, float, float, bool]],
    originations: list[str],
    commands: list[tuple[float, str]],
    stops_s: float,
) -> None:
    taken: list[CommandId] = []

    async def story() -> Office:
        async with open_office(acme(*people, numbers={NUMBER: leads})) as office:
            for device, phone in phones.items():
                office.online(device, phone)
            office.outside(MOBILE, mobile_phone)
            for called, is_trunk, patience_s, talks_s, can_hear in calls:
                office.call(
                    called,
                    device=None if is_trunk else "zoe-desk",
                    patience_s=patience_s,
                    talks_s=talks_s,
                    can_hear=can_hear,
                )
            taken.extend(office.originate("olga", called) for called in originations)
            for wait_s, what in commands:
                await trio.sleep(wait_s)
                taken.extend(_tell_all(office, what))
            await trio.sleep(stops_s)
        return office

    office = trio.run(story, clock=MockClock(autojump_threshold=0))
    office.check_nothing_is_left()
    assert office.world.active.crashed == 0
    journal = office.journal
    reported = [entry.command for entry in journal.of(CommandCompleted)]
    reported += [entry.command for entry in journal.of(CommandFailed)]
    assert sorted(reported) == sorted(taken)
    rang = {entry.leg for entry in journal.of(DeviceRang)}
    finished = [entry.leg for entry in journal.of(LegFinished)]
    assert len(finished) == len(set(finished)) == len(rang) + len(office.callers)
    ended = {entry.call: entry for entry in journal.of(CallEnded)}
    talked = {entry.call for entry in journal.of(CallAnswered) if entry.prompt is None}
    assert all((entry.talk_ms > 0) <= (call in talked) for call, entry in ended.items())
    for call in ended:
        lines = [line.entry for line in journal.lines if getattr(line.entry, "call", None) == call]
        assert isinstance(lines[-1], CallEnded | CommandCompleted | CommandFailed)
    assert all(
        caller.rejected_with not in (486, 600, 603) or not is_trunk
        for caller, (_, is_trunk, *_) in zip(office.callers, calls, strict=True)
    )


def _tell_all(office: Office, what: str) -> list[CommandId]:
    taken = []
    for call in tuple(office.world.active.table.values()):
        id = office.next_command()
        command = HangUpCall(id) if what == "hang_up" else TransferCall(id, "102", Side(what))
        try:
            call.tell(command)
        except StateConflict:
            continue
        taken.append(id)
    return taken
