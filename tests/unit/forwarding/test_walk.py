"""Whatever a directory and its phones look like, a walk ends, in an answer or a declared terminal."""

from collections.abc import Generator, Mapping
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.forwarding.walk import (
    CHAIN_MAX,
    Dial,
    End,
    Move,
    Play,
    Presence,
    Reply,
    Ring,
    Walker,
    name_of,
)
from orchestrator.model.calls import Refusal
from orchestrator.model.directory import (
    Announcement,
    Destination,
    Device,
    Person,
    RingStrategy,
    ToOutside,
)
from orchestrator.model.identifiers import E164, CallId, DeviceId, PersonId, PromptName
from orchestrator.model.journal import DeviceSkipped, LoopCut, OutsideBarred, PersonNotReached
from orchestrator.numbering.directory import Directory
from tests.scenarios.company import BUSY, UNAVAILABLE, WELCOME, acme, mobile, person, sip, to

CALL = CallId("c1")


@define
class Walked:
    moves: list[Move] = field(factory=list)
    end: End | None = None

    def of(self, kind: type[Any]) -> list[Any]:
        return [move for move in self.moves if isinstance(move, kind)]

    @property
    def rung(self) -> list[str]:
        return [rung.device.id for ring in self.of(Ring) for rung in ring.rungs]


def walk(
    directory: Directory,
    start: Destination,
    *,
    offline: set[str] | None = None,
    refusals: Mapping[str, Refusal] | None = None,
    calls: Mapping[str, int] | None = None,
    calling: str | None = None,
) -> Walked:
    """Walk to the end: nobody answers."""
    presence = Presence(lambda device: device not in (offline or set()), lambda id: (calls or {}).get(id, 0))
    walker = Walker(CALL, directory, presence, DeviceId(calling) if calling else None)
    walked = Walked()
    moves: Generator[Move, Reply, End] = walker.walk(start)
    answer: Refusal | None = None
    while True:
        try:
            move = moves.send(answer)
        except StopIteration as stop:
            walked.end = stop.value
            return walked
        walked.moves.append(move)
        answer = None
        if isinstance(move, Ring):
            answer = (refusals or {}).get(move.person.id, Refusal.NO_ANSWER)
        elif isinstance(move, Dial):
            answer = Refusal.NO_ANSWER


@pytest.mark.parametrize("why", [refusal for refusal in Refusal if refusal is not Refusal.UNREACHABLE])
def test_each_condition_has_its_next_step(why: Refusal) -> None:
    anna = person(
        "anna",
        "101",
        then={why: to("boris")},
        do_not_disturb=why is Refusal.DO_NOT_DISTURB,
        call_limit=1,
    )
    walked = walk(
        acme(anna, person("boris", "102")),
        to("anna"),
        offline={"anna-desk"} if why is Refusal.OFFLINE else set(),
        calls={"anna": 1} if why is Refusal.BUSY else {},
        refusals={"anna": why},
    )
    assert [(move.person, move.because, move.next) for move in walked.of(PersonNotReached)] == [
        ("anna", why, "person:boris"),
        ("boris", Refusal.NO_ANSWER, "terminal"),
    ]
    no_ring_time = why in (Refusal.DO_NOT_DISTURB, Refusal.OFFLINE, Refusal.BUSY)
    assert walked.rung == (["boris-desk"] if no_ring_time else ["anna-desk", "boris-desk"])
    assert walked.end == End(UNAVAILABLE, True)


def test_unreachable_goes_where_offline_goes() -> None:
    anna = person("anna", "101", then={Refusal.OFFLINE: to("boris")})
    walked = walk(acme(anna, person("boris", "102")), to("anna"), refusals={"anna": Refusal.UNREACHABLE})
    assert walked.rung == ["anna-desk", "boris-desk"]


def test_offline_is_told_before_busy_and_do_not_disturb_before_both() -> None:
    anna = person("anna", "101", call_limit=1)
    told = walk(acme(anna), to("anna"), offline={"anna-desk"}, calls={"anna": 5}).of(PersonNotReached)
    assert told[0].because is Refusal.OFFLINE
    quiet = person("anna", "101", do_not_disturb=True)
    told = walk(acme(quiet), to("anna"), offline={"anna-desk"}).of(PersonNotReached)
    assert told[0].because is Refusal.DO_NOT_DISTURB


def test_a_decline_spares_the_other_devices() -> None:
    anna = person("anna", "101", sip("one"), sip("two"))
    assert walk(acme(anna), to("anna"), refusals={"anna": Refusal.DECLINED}).rung == ["one"]
    assert walk(acme(anna), to("anna"), refusals={"anna": Refusal.BUSY}).rung == ["one", "two"]


def test_a_device_that_calls_cannot_ring() -> None:
    anna = person("anna", "101", sip("one"), sip("two"))
    walked = walk(acme(anna), to("anna"), calling="one")
    assert walked.rung == ["two"]
    assert walked.of(DeviceSkipped)[0].because is Refusal.BUSY


def test_two_who_forward_to_each_other_are_cut() -> None:
    anna = person("anna", "101", then={Refusal.OFFLINE: to("boris")})
    boris = person("boris", "102", then={Refusal.OFFLINE: to("anna")})
    walked = walk(acme(anna, boris), to("anna"), offline={"anna-desk", "boris-desk"})
    assert walked.of(LoopCut) == [LoopCut(CALL, PersonId("anna"), (PersonId("anna"), PersonId("boris")))]
    assert walked.end == End(UNAVAILABLE, True)


def test_a_chain_is_bounded() -> None:
    people = [person(f"p{i}", f"{200 + i}", then={Refusal.NO_ANSWER: to(f"p{i + 1}")}) for i in range(30)]
    walked = walk(acme(*people), to("p0"))
    assert len(walked.rung) == CHAIN_MAX
    assert len(walked.of(LoopCut)) == 1


def test_outside_is_dialled_only_where_permitted_and_our_own_number_stays_inside() -> None:
    numbers: dict[str, Destination] = {
        "+74951234501": to("anna"),
        "+74951234502": ToOutside(E164("+74951234502")),
    }
    directory = acme(person("anna", "101"), numbers=numbers)
    assert walk(directory, ToOutside(E164("+79161234567"))).of(Dial) != []
    assert [type(move) for move in walk(directory, ToOutside(E164("+4930123456"))).moves] == [OutsideBarred]
    assert walk(directory, ToOutside(E164("+74951234501"))).rung == ["anna-desk"]
    assert walk(directory, ToOutside(E164("+74951234502"))).end == End(UNAVAILABLE, True)
    barred = person("bob", "102", mobile("bob-mobile", "+4930123456"))
    assert walk(acme(barred), to("bob")).rung == []


def test_a_greeting_that_leads_nowhere_on_seeks_nobody() -> None:
    assert walk(acme(), Announcement(WELCOME)).end == End(WELCOME, False)
    walked = walk(acme(), Announcement(WELCOME, Announcement(BUSY, to("zoe"))))
    assert walked.of(Play) == [Play(WELCOME), Play(BUSY)]
    assert walked.rung == ["zoe-desk"]


def test_a_person_who_is_gone_leads_to_the_terminal() -> None:
    assert walk(acme(), to("nobody")).end == End(UNAVAILABLE, True)


NAMES = [f"p{i}" for i in range(6)]
PROMPTS = st.sampled_from(["busy", "closed"]).map(PromptName)
STEPS: st.SearchStrategy[Destination] = st.recursive(
    st.one_of(
        st.sampled_from([*NAMES, "ghost"]).map(to),
        PROMPTS.map(Announcement),
        st.sampled_from(["+79161234567", "+4930123456", "+74951234501", "+74951234502"]).map(
            lambda number: ToOutside(E164(number))
        ),
    ),
    lambda inner: st.builds(Announcement, PROMPTS, inner),
    max_leaves=3,
)


@st.composite
def devices_of(draw: st.DrawFn, name: str) -> list[Device]:
    seconds = st.floats(0, 60)
    made: list[Device] = []
    for i in range(draw(st.integers(0, 3))):
        ring_s, delay_s = draw(seconds) + 1, draw(seconds)
        if draw(st.booleans()):
            made.append(sip(f"{name}-{i}", ring_s=ring_s, delay_s=delay_s))
        else:
            number = draw(st.sampled_from(["+79161234567", "+4930123456"]))
            made.append(mobile(f"{name}-m{i}", number, ring_s=ring_s, delay_s=delay_s))
    return made


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    people: list[Person] = []
    for i, name in enumerate(NAMES):
        devices = draw(devices_of(name))
        made = person(
            name,
            str(100 + i),
            *(devices or [sip(f"{name}-x")]),
            strategy=draw(st.sampled_from(RingStrategy)),
            then=draw(st.dictionaries(st.sampled_from(Refusal), STEPS, max_size=6)),
            do_not_disturb=draw(st.integers(0, 9)) == 0,
            call_limit=draw(st.sampled_from([None, None, 1])),
        )
        people.append(made)
    return acme(*people, numbers={"+74951234501": draw(STEPS), "+74951234502": draw(STEPS)})


@given(
    directory=directories(),
    start=STEPS,
    offline=st.sets(st.sampled_from([f"{name}-{i}" for name in NAMES for i in range(3)])),
    refusals=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(Refusal)),
    calls=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2)),
)
def test_every_walk_ends_in_a_declared_terminal_and_tries_nobody_twice(
    directory: Directory,
    start: Destination,
    offline: set[str],
    refusals: dict[str, Refusal],
    calls: dict[str, int],
) -> None:
    walked = walk(directory, start, offline=offline, refusals=refusals, calls=calls)
    assert walked.end is not None
    assert walked.end.prompt in _declared(directory, start)
    assert not set(walked.rung) & offline
    assert len(walked.rung) == len(set(walked.rung)), "a device was rung twice"
    told = [move.person for move in walked.of(PersonNotReached)]
    assert len(told) == len(set(told)) <= CHAIN_MAX
    ring_s = sum(rung.start_s + rung.ring_s for ring in walked.of(Ring) for rung in ring.rungs)
    every = [device for person in directory.people.values() for device in person.devices]
    assert ring_s <= sum(device.delay_s for device in every) + len(every) * max(d.ring_s for d in every)


def _declared(directory: Directory, start: Destination) -> set[str]:
    """Prompts of all announcements that lead nowhere on."""
    destinations = [start, directory.company.terminal, *(n.leads_to for n in directory.numbers.values())]
    destinations += [step for p in directory.people.values() for step in p.next_steps.values()]
    found: set[str] = set()
    for destination in destinations:
        last: Destination | None = destination
        while isinstance(last, Announcement) and last.then is not None:
            last = last.then
        if isinstance(last, Announcement):
            found.add(last.prompt)
    return found


def test_destinations_have_names() -> None:
    assert name_of(to("anna")) == "person:anna"
    assert name_of(ToOutside(E164("+7495"))) == "outside:+7495"
    assert name_of(Announcement(BUSY)) == "announcement:busy"
