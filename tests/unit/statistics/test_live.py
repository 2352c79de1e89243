from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.journal import CallAnswered, CallArrived, CallEnded
from orchestrator.statistics.live import CallBoard, CallState
from tests.unit.statistics.stories import day


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
