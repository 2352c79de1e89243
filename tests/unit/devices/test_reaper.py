from datetime import UTC, datetime, timedelta

from orchestrator.devices.journal.reaper import ends_of, failures_of
from orchestrator.model.calls import Direction, EndCause, Who
from orchestrator.model.identifiers import CallId, CommandId, CompanyId, LegId, PromptName
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CommandAccepted,
    CommandCompleted,
    CommandFailed,
    Entry,
    Record,
)
from orchestrator.statistics.commands import Commands

DEMO, START = CompanyId("demo"), datetime(2026, 11, 24, tzinfo=UTC)
ARRIVED = CallArrived(CallId("c"), LegId(1), Direction.INBOUND, Who(), "101")
GREETED = CallAnswered(CallId("c"), LegId(1), Who(), 1, PromptName("welcome"))
ANSWERED = CallAnswered(CallId("c"), LegId(2), Who(), 1990)


def end(alive_s: float, *entries: tuple[float, Entry]) -> CallEnded:
    call = [Record(DEMO, seq, at(s), entry) for seq, (s, entry) in enumerate(entries)]
    [(company, found)] = ends_of([call], at(alive_s))
    assert company == DEMO
    assert isinstance(found, CallEnded)
    assert found.cause is EndCause.NODE_FAILURE
    return found


def at(s: float) -> datetime:
    return START + timedelta(seconds=s)


def test_a_conversation_lasted_until_the_exchange_was_last_alive() -> None:
    found = end(62, (0, ARRIVED), (2, ANSWERED))
    assert (found.wait_ms, found.talk_ms) == (1990, 60_000)


def test_or_until_its_last_entry_where_that_is_later() -> None:
    found = end(62, (0, ARRIVED), (2, ANSWERED), (62.5, GREETED))
    assert found.talk_ms == 60_500


def test_nobody_talked_to_an_announcement() -> None:
    found = end(10, (0, ARRIVED), (2, GREETED))
    assert (found.wait_ms, found.talk_ms) == (10_000, 0)


def test_commands_that_nobody_finished_have_failed() -> None:
    commands = Commands()
    done, lost = CommandId("done"), CommandId("lost")
    told: list[Entry] = [
        CommandAccepted(done, "transfer", "crm"),
        CommandAccepted(lost, "originate", "crm"),
        CommandCompleted(done, "transfer"),
    ]
    for seq, entry in enumerate(told):
        commands.apply(Record(DEMO, seq, START, entry))
    [(company, failure)] = failures_of(DEMO, list(commands.states.values()))
    assert company == DEMO
    assert isinstance(failure, CommandFailed)
    assert (failure.command, failure.kind, failure.code) == (lost, "originate", "node_failure")
