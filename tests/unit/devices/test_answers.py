import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from orchestrator.devices.store.answers import Answers
from orchestrator.devices.store.database import Database
from orchestrator.model.errors import InFlight, KeyReused, NoSuchCall, OutcomeUnknown, ResourceError
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


async def test_a_full_disk_after_the_action_makes_no_repeat_act_twice(
    answers: Answers, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    write = Database.write

    async def action() -> bytes:
        done.append(1)
        monkeypatch.setattr(Database, "write", full)
        return b"done"

    async def full(self: Database, work: object) -> None:
        raise ResourceError("the disk is full")

    with capture_logs():
        assert await answers.once("demo", "k", "f", action) == (b"done", False)
    for again in (answers, Answers(answers.database, set_clock)):
        with pytest.raises(OutcomeUnknown):
            await again.once("demo", "k", "f", action)
        with pytest.raises(KeyReused):
            await again.once("demo", "k", "another request", action)
    assert done == [1]
    with pytest.raises(ResourceError):
        await answers.once("demo", "new", "f", action)
    assert done == [1]
    monkeypatch.setattr(Database, "write", write)
    set_clock.on(hours=26)
    for place in range(100):
        await answers.once("demo", f"new{place}", "f", _nothing)
    assert await answers.once("demo", "k", "f", _nothing) == (b"-", False)


async def test_what_was_begun_and_never_ended_is_not_begun_again(
    answers: Answers, set_clock: SetClock
) -> None:
    """The client left in the middle, or the exchange died."""

    async def hangs() -> bytes:
        await trio.sleep_forever()
        return b""

    async def crashes() -> bytes:
        raise RuntimeError("after it has acted, perhaps")

    with trio.move_on_after(0.05):
        await answers.once("demo", "left", "f", hangs)
    with pytest.raises(RuntimeError):
        await answers.once("demo", "crashed", "f", crashes)
    for key in ("left", "crashed"):
        with pytest.raises(OutcomeUnknown):
            await Answers(answers.database, set_clock).once("demo", key, "f", _nothing)


async def test_the_answer_is_kept_for_a_client_that_left_at_the_last_moment(answers: Answers) -> None:
    async def action() -> bytes:
        scope.cancel()
        return b"done"

    with trio.CancelScope() as scope:
        await answers.once("demo", "k", "f", action)
    assert await answers.once("demo", "k", "f", _nothing) == (b"done", True)


async def _nothing() -> bytes:
    return b"-"


async def test_old_answers_are_forgotten(answers: Answers, set_clock: SetClock) -> None:
    async def action() -> bytes:
        return b"x"

    await answers.once("demo", "old", "f", action)
    set_clock.on(hours=26)
    for place in range(100):
        await answers.once("demo", f"new{place}", "f", action)
    assert await answers.once("demo", "old", "f", action) == (b"x", False)
