from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.devices.engine.words import failure_of, trunk_state_of
from orchestrator.model.calls import EndedBy, Failed, LegEnd, Refusal
from orchestrator.model.identifiers import CompanyId, TrunkId
from orchestrator.model.registrations import Standing, TrunkState


@pytest.mark.parametrize(
    ("by", "status", "reason", "why"),
    [
        (EndedBy.PEER, 486, "Busy Here", Refusal.BUSY),
        (EndedBy.PEER, 600, "Busy Everywhere", Refusal.BUSY),
        (EndedBy.PEER, 603, "Decline", Refusal.DECLINED),
        (EndedBy.PEER, 607, "Unwanted", Refusal.DECLINED),
        (EndedBy.PEER, 480, "Call declined", Refusal.DECLINED),
        (EndedBy.PEER, 480, "Temporarily Unavailable", Refusal.UNREACHABLE),
        (EndedBy.PEER, 404, "Not Found", Refusal.UNREACHABLE),
        (EndedBy.PEER, 500, "", Refusal.UNREACHABLE),
        (EndedBy.TIMEOUT, 408, "", Refusal.UNREACHABLE),
        (EndedBy.US, 486, "our own doing says nothing of him", Refusal.UNREACHABLE),
        (EndedBy.SHUTDOWN, 503, "", Refusal.UNREACHABLE),
    ],
)
def test_why_the_far_end_did_not_pick_up(by: EndedBy, status: int, reason: str, why: Refusal) -> None:
    assert failure_of(LegEnd(by, status, reason), rang=False) == Failed(why, status)


@pytest.mark.parametrize(
    ("by", "status", "reason", "why"),
    [
        (EndedBy.PEER, 408, "Request Timeout", Refusal.NO_ANSWER),
        (EndedBy.PEER, 480, "Temporarily Unavailable", Refusal.NO_ANSWER),
        (EndedBy.PEER, 487, "Request Terminated", Refusal.NO_ANSWER),
        (EndedBy.TIMEOUT, 408, "rang too long", Refusal.NO_ANSWER),
        (EndedBy.PEER, 480, "Call declined", Refusal.DECLINED),
        (EndedBy.PEER, 486, "Busy Here", Refusal.BUSY),
        (EndedBy.PEER, 500, "", Refusal.UNREACHABLE),
        (EndedBy.TIMEOUT, 503, "no connection", Refusal.UNREACHABLE),
    ],
)
def test_who_rang_is_there(by: EndedBy, status: int, reason: str, why: Refusal) -> None:
    assert failure_of(LegEnd(by, status, reason), rang=True) == Failed(why, status)


@pytest.mark.parametrize(
    ("registered", "status", "standing"),
    [
        (True, 200, Standing.REGISTERED),
        (False, 403, Standing.REFUSED),
        (False, 408, Standing.REFUSED),
        (False, 0, Standing.REGISTERING),
    ],
)
def test_how_a_registering_trunk_stands(registered: bool, status: int, standing: Standing) -> None:
    event: Any = SimpleNamespace(
        company="demo", trunk="t", registered=registered, status=status, reason="why"
    )
    assert trunk_state_of(event) == TrunkState(CompanyId("demo"), TrunkId("t"), standing, status, "why")
