from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.calls import Direction, EndedBy, Who
from orchestrator.model.identifiers import CallId, DeviceId, LegId, PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    DeviceRang,
    Entry,
    LegFinished,
    Record,
)
from orchestrator.statistics.live import CallBoard, CallState
from tests.unit.statistics.stories import COMPANY, START, day


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_board_shows_exactly_the_calls_that_go_on(seed: int, calls: int) -> None:
    board, going = CallBoard(), set[str]()
    for record in day(seed, calls):
        board.apply(record)
        entry = record.entry
        if isinstance(entry, CallArrived):
            going.add(entry.call)
        if isinstance(entry, CallEnded):
            going.remove(entry.call)
        if isinstance(entry, CallAnswered):
            wanted = CallState.ANNOUNCING if entry.prompt else CallState.TALKING
            assert board.calls[entry.call].state is wanted
            assert board.calls[entry.call].since == record.at
        assert set(board.calls) == going
    assert not going


def test_a_leg_that_is_over_rings_no_longer() -> None:
    call, board = CallId("c"), CallBoard()
    rang = [DeviceRang(call, LegId(leg), DeviceId("desk"), PersonId("anna")) for leg in (2, 3)]
    story: list[Entry] = [CallArrived(call, LegId(1), Direction.INBOUND, Who(), "101"), *rang]
    for seq, entry in enumerate([*story, LegFinished(call, LegId(2), EndedBy.PEER, 486, "Busy")]):
        board.apply(Record(COMPANY, seq, START, entry))
    assert board.calls[call].ringing == (LegId(3),)
