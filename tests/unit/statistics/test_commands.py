from datetime import UTC, datetime, timedelta

from orchestrator.model.identifiers import CallId, CommandId, CompanyId
from orchestrator.model.journal import CommandAccepted, CommandCompleted, CommandFailed, Entry, Record
from orchestrator.statistics.commands import Commands, Progress

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def told(commands: Commands, entry: Entry, hours: float = 0) -> None:
    commands.apply(Record(CompanyId("demo"), 1, NOW + timedelta(hours=hours), entry))


def test_a_command_is_pending_until_it_is_completed_or_failed() -> None:
    commands = Commands()
    for name in ("a", "b"):
        told(commands, CommandAccepted(CommandId(name), "transfer", "crm", CallId("c")))
        assert commands.states[CommandId(name)].progress is Progress.PENDING
    told(commands, CommandCompleted(CommandId("a"), "transfer"), 1)
    told(commands, CommandFailed(CommandId("b"), "transfer", "not_reached", "boris"), 1)
    done, failed = commands.states.values()
    assert (done.progress, done.by, done.call) == (Progress.COMPLETED, "crm", "c")
    assert (failed.progress, failed.code, failed.given_at) == (Progress.FAILED, "not_reached", NOW)


def test_commands_are_remembered_for_a_day_and_in_bounds() -> None:
    commands = Commands(keep=3)
    told(commands, CommandAccepted(CommandId("old"), "hang_up", "crm"))
    told(commands, CommandAccepted(CommandId("day"), "hang_up", "crm"), 24)
    assert CommandId("old") in commands.states
    told(commands, CommandAccepted(CommandId("new"), "hang_up", "crm"), 26)
    assert list(commands.states) == ["day", "new"]
    for name in "xyz":
        told(commands, CommandAccepted(CommandId(name), "hang_up", "crm"), 26)
    assert len(commands.states) == 3
