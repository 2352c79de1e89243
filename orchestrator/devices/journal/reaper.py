"""Closes what an exchange that died left open."""

from datetime import datetime

from orchestrator.model.calls import EndCause
from orchestrator.model.identifiers import CallId, CompanyId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CommandFailed,
    Entry,
    Record,
)
from orchestrator.statistics.commands import CommandState, Progress


def ends_of(open_calls: list[list[Record]], alive_at: datetime) -> list[tuple[CompanyId, Entry]]:
    """An end for each call, given its entries. It lasted until the exchange was last alive, or its last entry."""
    return [(call[0].company, _end(call, alive_at)) for call in open_calls]


def _end(call: list[Record], alive_at: datetime) -> CallEnded:
    arrived, answer, answered_at = call[0], None, None
    for record in call:
        if isinstance(record.entry, CallAnswered) and record.entry.prompt is None and answer is None:
            answer, answered_at = record.entry, record.at
    ended_at = max(alive_at, call[-1].at)
    assert isinstance(arrived.entry, CallArrived)
    if answer is None or answered_at is None:
        wait_ms, talk_ms = _ms(arrived.at, ended_at), 0
    else:
        wait_ms, talk_ms = answer.wait_ms, _ms(answered_at, ended_at)
    detail = "the exchange stopped during the call"
    return CallEnded(CallId(arrived.entry.call), EndCause.NODE_FAILURE, wait_ms, talk_ms, 0, detail)


def failures_of(company: CompanyId, commands: list[CommandState]) -> list[tuple[CompanyId, Entry]]:
    """A failure for each command that nobody finished."""
    return [
        (
            company,
            CommandFailed(
                state.command,
                state.kind,
                "node_failure",
                "the exchange stopped before it was done",
                state.call,
            ),
        )
        for state in commands
        if state.progress is Progress.PENDING
    ]


def _ms(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds() * 1000))
