"""When a certificate is in trouble."""

from datetime import UTC, datetime, timedelta

from orchestrator.model.certificate import Certificate

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_an_end_counts_more_than_a_new_one_that_is_of_no_use() -> None:
    good, ended = NOW + timedelta(days=90), NOW - timedelta(seconds=1)
    assert Certificate(good).trouble(NOW) == ""
    assert Certificate(good, "k.pem: is not that of it").trouble(NOW) == "k.pem: is not that of it"
    assert Certificate(ended, "k.pem: is not that of it").trouble(NOW) == "it ended on 2026-11-24"
    assert Certificate(NOW).trouble(NOW) == "it ended on 2026-11-24"
    assert Certificate(NOW + timedelta(days=20)).is_ending(NOW)
    assert not Certificate(NOW + timedelta(days=22)).is_ending(NOW)
