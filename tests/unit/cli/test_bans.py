"""What a firewall is given."""

from typing import Any

from orchestrator.cli.bans import nft


def ban(source: str, left_s: int) -> dict[str, Any]:
    return {"source": source, "network": f"{source}/64" if ":" in source else source, "left_s": left_s}


def test_the_sets_of_a_firewall_hold_these_bans_for_their_time() -> None:
    bans = [ban("203.0.113.66", 300), ban("2001:db8::", 86_400), ban("203.0.113.9", 60), ban("1.2.3.4", 0)]
    assert list(nft(bans)) == [
        "add table inet tandem",
        "add set inet tandem banned4 { type ipv4_addr; flags interval, timeout; }",
        "flush set inet tandem banned4",
        "add element inet tandem banned4 { 203.0.113.66 timeout 300s, 203.0.113.9 timeout 60s }",
        "add set inet tandem banned6 { type ipv6_addr; flags interval, timeout; }",
        "flush set inet tandem banned6",
        "add element inet tandem banned6 { 2001:db8::/64 timeout 86400s }",
    ]


def test_where_nobody_is_banned_the_sets_are_empty() -> None:
    assert [line for line in nft([]) if line.startswith(("flush", "add element"))] == [
        "flush set inet tandem banned4",
        "flush set inet tandem banned6",
    ]
