"""What every switch promises about legs that it dials. Both worlds, real time."""

import math

import pytest
import trio

from orchestrator.model.calls import (
    Answered,
    CallerId,
    EndedBy,
    Failed,
    Refusal,
    ToBinding,
    ToTrunk,
)
from orchestrator.model.identifiers import BindingId, CallId, DeviceId
from orchestrator.model.journal import LegFinished
from orchestrator.rehearsal.leg import Phone
from tests.contracts.worlds import ANSWERS, NUMBER, SHORT, Hands, open_world
from tests.scenarios.company import ACME, CARRIER

ANNA = DeviceId("anna-desk")
ID = CallId("c1")
ZOE = CallerId("199", "Zoe")
SILENT = Phone(after_s=math.inf)

pytestmark = pytest.mark.parametrize("world", ["rehearsal", "engine"])


def place(hands: Hands) -> ToBinding:
    (binding,) = hands.switch.bindings(ACME, ANNA)
    return ToBinding(ANNA, binding)


async def test_a_device_is_there_while_it_is_registered(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            assert len(hands.switch.bindings(ACME, ANNA)) == 0
            await hands.online(ANNA, ANSWERS)
            assert len(hands.switch.bindings(ACME, ANNA)) == 1
            await hands.offline(ANNA)
            assert len(hands.switch.bindings(ACME, ANNA)) == 0


async def test_who_picks_up_is_answered_until_we_hang_up(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            async with hands.switch.call(ID, ACME, None) as call:
                async with call.dial(place(hands), ZOE) as leg:
                    assert [one.id for one in call.legs] == [leg.id]
                    assert await leg.outcome() == Answered()
                    assert await leg.outcome() == Answered()
                    leg.keep()
                assert leg.end is None
                leg.hang_up()
                assert await call.first_end(leg) is leg
                assert leg.end is not None
                assert (leg.end.by, leg.end.status) == (EndedBy.US, 200)
                assert list(call.legs) == []
            (finished,) = hands.journal.of(LegFinished)
            assert (finished.call, finished.leg, finished.by) == (ID, leg.id, EndedBy.US)


@pytest.mark.parametrize(
    ("status", "why"),
    [(486, Refusal.BUSY), (600, Refusal.BUSY), (603, Refusal.DECLINED), (480, Refusal.NO_ANSWER)],
)
async def test_who_refuses_has_a_reason(world: str, status: int, why: Refusal) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, Phone(Failed(why, status), 0.05))
            async with hands.switch.call(ID, ACME, None) as call, call.dial(place(hands), ZOE) as leg:
                outcome = await leg.outcome()
                assert isinstance(outcome, Failed)
                assert (outcome.why, outcome.status) == (why, status)
                await call.first_end(leg)
                assert leg.end is not None
                assert (leg.end.by, leg.end.status) == (EndedBy.PEER, status)
                assert len(hands.journal.of(LegFinished)) == 1


async def test_leaving_the_block_ends_a_leg_that_rings(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, SILENT)
            async with hands.switch.call(ID, ACME, None) as call:
                with trio.move_on_after(0.3):
                    async with call.dial(place(hands), ZOE) as leg:
                        await leg.outcome()
                await call.first_end(leg)
                assert leg.end is not None
                assert (leg.end.by, leg.end.status) == (EndedBy.US, 487)
                assert isinstance(await leg.outcome(), Failed)


async def test_leaving_the_call_ends_what_was_kept_and_waits_for_it(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            async with hands.switch.call(ID, ACME, None) as call, call.dial(place(hands), ZOE) as leg:
                await leg.outcome()
                leg.keep()
            assert leg.end is not None
            assert len(hands.journal.of(LegFinished)) == 1


async def test_a_leg_that_another_call_adopts_ends_with_that_one(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            async with hands.switch.call(CallId("c2"), ACME, None) as other:
                async with hands.switch.call(ID, ACME, None) as call, call.dial(place(hands), ZOE) as leg:
                    await leg.outcome()
                    other.adopt(leg)
                    assert (list(call.legs), [one.id for one in other.legs]) == ([], [leg.id])
                assert leg.end is None
            assert leg.end is not None
            (finished,) = hands.journal.of(LegFinished)
            assert (finished.call, finished.leg) == (CallId("c2"), leg.id)


async def test_cancelling_the_call_ends_its_legs_too(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, SILENT)
            with trio.move_on_after(0.2) as scope:
                async with hands.switch.call(ID, ACME, None) as call, call.dial(place(hands), ZOE) as leg:
                    await trio.sleep_forever()
            assert scope.cancelled_caught
            assert leg.end is not None
            assert len(hands.journal.of(LegFinished)) == 1


async def test_the_end_of_a_leg_cancels_what_lasts_as_long(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, Phone(Answered(), 0.05, 0.2))
            async with hands.switch.call(ID, ACME, None) as call, call.dial(place(hands), ZOE) as leg:
                await leg.outcome()
                with leg.while_lasts() as lasts:
                    await trio.sleep_forever()
                assert lasts.cancelled_caught
                assert leg.end is not None
                assert (leg.end.by, leg.end.status) == (EndedBy.PEER, 200)
                with leg.while_lasts() as gone:
                    await trio.sleep_forever()
                assert gone.cancelled_caught
                assert not await leg.play(SHORT)
                leg.hang_up()


async def test_a_number_outside_is_dialled_through_the_trunk(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.outside(ANSWERS)
            target = ToTrunk(CARRIER, NUMBER)
            async with hands.switch.call(ID, ACME, None) as call, call.dial(target, ZOE) as leg:
                assert await leg.outcome() == Answered()


async def test_a_place_that_is_gone_is_unreachable(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            target = ToBinding(ANNA, BindingId(987654))
            async with hands.switch.call(ID, ACME, None) as call, call.dial(target, ZOE) as leg:
                outcome = await leg.outcome()
                assert isinstance(outcome, Failed)
                assert outcome.why is Refusal.UNREACHABLE


async def test_many_legs_at_once_each_hear_of_themselves_only(world: str) -> None:
    with trio.fail_after(20):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            ends: list[Answered | Failed] = []

            async def one(number: int) -> None:
                id = CallId(f"c{number}")
                async with hands.switch.call(id, ACME, None) as call, call.dial(place(hands), ZOE) as leg:
                    ends.append(await leg.outcome())

            async with trio.open_nursery() as nursery:
                for number in range(40):
                    nursery.start_soon(one, number)
            assert ends == [Answered()] * 40
            finished = hands.journal.of(LegFinished)
            assert sorted(entry.call for entry in finished) == sorted(f"c{n}" for n in range(40))
