"""What every switch promises about those who call. Both worlds, real time."""

import math

import pytest
import trio

from orchestrator.model.calls import Answered, CallerId, EndedBy, FromDevice, FromTrunk, ToBinding
from orchestrator.model.identifiers import CallId, DeviceId, PromptName
from orchestrator.model.journal import LegFinished
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Phone
from tests.contracts.worlds import ANSWERS, NUMBER, SHORT, SHORT_S, open_world
from tests.scenarios.company import ACME, CARRIER

ANNA, BORIS = DeviceId("anna-desk"), DeviceId("boris-desk")
ID = CallId("c1")

pytestmark = pytest.mark.parametrize("world", ["rehearsal", "engine"])


async def test_an_arrival_says_who_calls_whom(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            arrival, far_end = await hands.call(ANNA, "102")
            assert (arrival.company, arrival.source, arrival.called) == (ACME, FromDevice(ANNA), "102")
            assert arrival.can_hear_prompts
            async with hands.switch.call(ID, ACME, arrival) as call:
                assert call.caller is not None
                assert call.caller.id == arrival.leg
                call.reject(404)
                await call.first_end(call.caller)
            assert await far_end.ended_with() == 404
            arrival, far_end = await hands.call(None, "84951234501")
            assert (arrival.source, arrival.called) == (FromTrunk(CARRIER), "84951234501")
            assert arrival.caller == CallerId("+74950000000", "Ivan")
            hands.switch.refuse(arrival, 503, 10)
            assert await far_end.ended_with() == 503
            assert [entry.status for entry in hands.journal.of(LegFinished)] == [404]


async def test_a_caller_who_leaves_before_an_answer_cancels_what_lasts_as_long(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            arrival, far_end = await hands.call(ANNA, "102")
            async with hands.switch.call(ID, ACME, arrival) as call:
                assert call.caller is not None
                call.ring()
                call.ring()
                far_end.hang_up()
                with call.caller.while_lasts():
                    await trio.sleep_forever()
                assert call.caller.end is not None
                assert (call.caller.end.by, call.caller.end.status) == (EndedBy.PEER, 487)
                call.reject(404)
                call.answer()
            assert len(hands.journal.of(LegFinished)) == 1


async def test_a_caller_who_left_before_his_call_was_opened_is_found_gone(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            arrival, far_end = await hands.call(ANNA, "102")
            far_end.hang_up()
            await far_end.ended_with()
            async with hands.switch.call(ID, ACME, arrival) as call:
                assert call.caller is not None
                await call.first_end(call.caller)
                assert list(call.legs) == []
            assert len(hands.journal.of(LegFinished)) == 1


async def test_two_are_joined_and_the_end_of_one_is_told(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            await hands.online(ANNA, ANSWERS)
            await hands.online(BORIS, Phone(Answered(), 0.05, 0.5))
            arrival, far_end = await hands.call(ANNA, "102")
            async with hands.switch.call(ID, ACME, arrival) as call:
                assert call.caller is not None
                call.ring()
                (binding,) = hands.switch.bindings(ACME, BORIS)
                async with call.dial(ToBinding(BORIS, binding), CallerId("101", "Anna"), call.caller) as leg:
                    assert await leg.outcome() == Answered()
                    leg.keep()
                call.answer(like=leg)
                call.caller.hears(leg)
                leg.hears(call.caller)
                assert await call.caller.outcome() == Answered()
                await far_end.answered()
                assert await call.first_end(call.caller, leg) is leg
                assert call.caller.end is None
            assert call.caller.end is not None
            assert await far_end.ended_with() == 200
            assert len(hands.journal.of(LegFinished)) == 2


async def test_an_answered_caller_hears_prompts(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            arrival, far_end = await hands.call(None, "+74951234500")
            async with hands.switch.call(ID, ACME, arrival) as call:
                assert call.caller is not None
                call.answer()
                await far_end.answered()
                began_s = trio.current_time()
                assert await call.caller.play(SHORT)
                assert SHORT_S * 0.7 <= trio.current_time() - began_s < SHORT_S + 1
                assert not await call.caller.play(PromptName("no such prompt"))
                call.caller.play_on(RINGBACK)
                call.caller.play_on(PromptName("no such prompt"))
                assert await call.caller.play(SHORT)
                call.caller.hears(None)
                far_end.hang_up()
                await call.first_end(call.caller)
                assert not await call.caller.play(SHORT)


async def test_a_prompt_is_cut_short_by_the_end_of_the_leg(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            arrival, far_end = await hands.call(None, "+74951234500")
            async with hands.switch.call(ID, ACME, arrival) as call, trio.open_nursery() as nursery:
                assert call.caller is not None
                call.answer()
                await far_end.answered()

                async def leave() -> None:
                    await trio.sleep(SHORT_S / 4)
                    far_end.hang_up()

                nursery.start_soon(leave)
                assert not await call.caller.play(SHORT)


async def test_leaving_the_call_turns_an_undecided_caller_away(world: str) -> None:
    with trio.fail_after(10):
        async with open_world(world) as hands:
            arrival, far_end = await hands.call(None, NUMBER)
            async with hands.switch.call(ID, ACME, arrival) as call:
                call.ring()
            assert call.caller is not None
            assert call.caller.end is not None
            assert await far_end.ended_with() >= 400


async def test_calls_that_are_cancelled_with_everything_else_still_hear_of_their_legs(world: str) -> None:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            talking = trio.Event()

            async def everything() -> None:
                async with open_world(world) as hands:
                    arrival, far_end = await hands.call(None, "+74951234500")
                    began_s = math.inf
                    try:
                        async with hands.switch.call(ID, ACME, arrival) as call:
                            call.answer()
                            await far_end.answered()
                            talking.set()
                            try:
                                await trio.sleep_forever()
                            finally:
                                began_s = trio.current_time()
                    finally:
                        assert trio.current_time() - began_s < 1
                        assert len(hands.journal.of(LegFinished)) == 1

            async def stop() -> None:
                await talking.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(everything)
            nursery.start_soon(stop)
