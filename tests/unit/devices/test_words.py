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
    assert failure_of(LegEnd(by, status, reason), rang=False) == Failed(why, status, reason)


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
    assert failure_of(LegEnd(by, status, reason), rang=True) == Failed(why, status, reason)


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
        company="demo",
        trunk="t",
        registers=True,
        registered=registered,
        status=status,
        reason="why",
        servers=[],
    )
    assert trunk_state_of(event) == TrunkState(CompanyId("demo"), TrunkId("t"), standing, status, "why")


@pytest.mark.parametrize(
    ("standings", "standing", "status"),
    [
        (["unknown", "unknown"], Standing.BY_ADDRESS, 0),
        (["up", "down"], Standing.REACHABLE, 0),
        (["unknown", "down"], Standing.BY_ADDRESS, 0),
        (["down", "down"], Standing.UNREACHABLE, 408),
    ],
)
def test_how_a_trunk_known_by_its_address_stands(
    standings: list[str], standing: Standing, status: int
) -> None:
    def server(place: int, standing: str) -> Any:
        return SimpleNamespace(
            host=f"{place}.example",
            address=f"192.0.2.{place}:5060",
            standing=standing,
            is_home=False,
            status=408 if standing == "down" else 0,
            reason="why" if standing == "down" else "",
        )

    event: Any = SimpleNamespace(
        company="demo",
        trunk="t",
        registers=False,
        registered=False,
        status=0,
        reason="",
        servers=[server(place, one) for place, one in enumerate(standings)],
    )
    state = trunk_state_of(event)
    assert (state.state, state.status, state.reason) == (standing, status, "why" if status else "")
    assert [one.state.value for one in state.servers] == standings
