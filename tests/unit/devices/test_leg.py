"""A leg of the engine waits for the prompt that it asked for, and for no other."""

from typing import cast

import trio
from attrs import define, field

from orchestrator.devices.engine.leg import EngineLeg
from orchestrator.devices.engine.switch import EngineSwitch
from orchestrator.model.identifiers import LegId, PromptName


@define
class Stage:
    """As much of the switch as a leg needs to play; it is its own engine."""

    prompts: dict[str, float] = field(factory=lambda: {"first": 1.0, "second": 1.0})
    asked: list[object] = field(factory=list)

    @property
    def engine(self) -> "Stage":
        return self

    def hears(self, leg: int, sources: list[object]) -> None:
        self.asked += sources


def leg() -> EngineLeg:
    return EngineLeg(LegId(7), cast(EngineSwitch, Stage()))


async def play(leg: EngineLeg, name: str, *ends: tuple[str, int]) -> tuple[bool, float]:
    """What `play` says, and when: each of `ends` is told half a second after the one before."""
    begun_s = trio.current_time()
    heard = []

    async def listen() -> None:
        heard.append((await leg.play(PromptName(name)), trio.current_time() - begun_s))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        for end in ends:
            await trio.sleep(0.5)
            leg.handle_played(*end)
    return heard[0]


async def test_the_late_end_of_an_earlier_prompt_ends_no_wait(autojump_clock: trio.testing.MockClock) -> None:
    assert await play(leg(), "second", ("first", 400), ("second", 1000)) == (True, 1.0)


async def test_a_prompt_that_was_not_played_was_not_heard(autojump_clock: trio.testing.MockClock) -> None:
    assert await play(leg(), "first", ("first", 0)) == (False, 0.5)
