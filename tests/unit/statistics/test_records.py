from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.devices.journal.codec import decode_call_record, encode
from orchestrator.model.journal import CallAnswered, CallArrived, CallEnded
from orchestrator.statistics.records import CallRecord, CallRecords
from tests.unit.statistics.stories import day


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_each_call_leaves_one_closed_record_that_says_what_the_journal_said(seed: int, calls: int) -> None:
    fold, kept = CallRecords(), dict[str, CallRecord]()
    records = day(seed, calls)
    for record in records:
        if (changed := fold.apply(record)) is not None:
            kept[changed.call] = changed
    assert not fold.open
    assert len(kept) == calls
    for record in records:
        entry = record.entry
        if isinstance(entry, CallArrived):
            assert kept[entry.call].started_at == record.at
            assert entry.caller.person in (None, *kept[entry.call].people)
        if isinstance(entry, CallEnded):
            one = kept[entry.call]
            assert (one.cause, one.wait_ms, one.talk_ms) == (entry.cause, entry.wait_ms, entry.talk_ms)
            assert one.ended_at == one.started_at + timedelta(milliseconds=entry.wait_ms + entry.talk_ms)
        if isinstance(entry, CallAnswered) and entry.prompt is None:
            assert kept[entry.call].answered_by is not None
    for one in kept.values():
        assert decode_call_record(encode(one)) == one


@given(st.integers(0, 10_000))
def test_a_record_is_open_until_its_call_ends(seed: int) -> None:
    fold = CallRecords()
    for record in day(seed, 5):
        changed = fold.apply(record)
        ended = isinstance(record.entry, CallEnded)
        assert changed is not None or not isinstance(record.entry, CallArrived | CallEnded)
        if changed is not None:
            assert (changed.ended_at is not None) == ended
            assert (changed.cause is not None) == ended
