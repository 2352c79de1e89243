from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.model.bans import Ban, source_of

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.66", "203.0.113.66"),
        ("::ffff:203.0.113.66", "203.0.113.66"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8::", "2001:db8::"),
    ],
)
def test_an_address_belongs_to_a_source(address: str, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize("text", ["", "x", "203.0.113.0/24", "fe80::1%eth0", "203.0.113.66:5060"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"addr|zone"):
        source_of(text)


def test_a_ban_is_shown_as_firewalls_write_it_with_what_is_left() -> None:
    ban = Ban("203.0.113.66", "flood", NOW, NOW + timedelta(seconds=300), 1)
    view = ban.view(NOW + timedelta(seconds=100.2))
    assert (view.network, view.left_s, view.ends_at) == ("203.0.113.66", 200, ban.ends_at)
    assert Ban("2001:db8::", "flood", NOW, NOW, 1).view(NOW).network == "2001:db8::/64"
