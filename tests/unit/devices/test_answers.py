import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from orchestrator.devices.store.answers import Answers
from orchestrator.devices.store.database import Database
from orchestrator.model.errors import InFlight, KeyReused, NoSuchCall
from tests.unit.devices.conftest import SetClock


@pytest.fixture
def answers(database: Database, set_clock: SetClock) -> Answers:
    return Answers(database, set_clock)


async def test_the_same_request_gets_the_same_answer_and_does_nothing(
    answers: Answers, set_clock: SetClock
) -> None:
    done: list[int] = []

    async def action() -> bytes:
        done.append(1)
        return b"%d" % len(done)

    assert await answers.once("demo", "k", "f", action) == (b"1", False)
    assert await answers.once("demo", "k", "f", action) == (b"1", True)
    set_clock.on(hours=24)
    assert await Answers(answers.database, set_clock).once("demo", "k", "f", action) == (b"1", True)
    assert await answers.once("other", "k", "f", action) == (b"2", False)
    with pytest.raises(KeyReused):
        await answers.once("demo", "k", "another request", action)


async def test_a_request_that_failed_may_be_tried_again(answers: Answers) -> None:
    async def fails() -> bytes:
        raise NoSuchCall("gone")

    async def works() -> bytes:
        return b"done"

    with pytest.raises(NoSuchCall):
        await answers.once("demo", "k", "f", fails)
    assert await answers.once("demo", "k", "f", works) == (b"done", False)


async def test_the_second_of_two_at_once_is_turned_away(answers: Answers) -> None:
    go = trio.Event()

    async def slow() -> bytes:
        await go.wait()
        return b"done"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answers.once, "demo", "k", "f", slow)
        await wait_all_tasks_blocked()
        with pytest.raises(InFlight):
            await answers.once("demo", "k", "f", slow)
        with pytest.raises(KeyReused):
            await answers.once("demo", "k", "g", slow)
        go.set()
    assert await answers.once("demo", "k", "f", slow) == (b"done", True)


async def test_old_answers_are_forgotten(answers: Answers, set_clock: SetClock) -> None:
    async def action() -> bytes:
        return b"x"

    await answers.once("demo", "old", "f", action)
    set_clock.on(hours=26)
    for place in range(100):
        await answers.once("demo", f"new{place}", "f", action)
    assert await answers.once("demo", "old", "f", action) == (b"x", False)
