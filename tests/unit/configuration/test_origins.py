import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.configuration.origins import network_of, origins_of, overlap
from orchestrator.model.directory import Trunk, TrunkHost
from orchestrator.model.identifiers import E164, TrunkId


def test_a_trunk_is_known_by_its_host_and_its_sources() -> None:
    trunk = Trunk(
        TrunkId("t"),
        (TrunkHost("SIP.carrier.example"),),
        E164("+7495"),
        sources=("192.0.2.0/24", "2001:db8::1"),
    )
    assert [(key, str(origin)) for key, origin in origins_of(trunk)] == [
        ("host", "sip.carrier.example"),
        ("sources[0]", "192.0.2.0/24"),
        ("sources[1]", "2001:db8::1/128"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.0/24", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.3.0/24", False),
        ("192.0.2.1", "2001:db8::/32", False),
        ("2001:db8::1", "2001:db8::/32", True),
    ],
)
def test_addresses_overlap_however_they_are_written(one: str, other: str, shared: bool) -> None:
    first, second = network_of(one), network_of(other)
    assert first is not None
    assert second is not None
    assert overlap(first, second) is overlap(second, first) is shared


def test_a_name_is_shared_with_the_same_name_only() -> None:
    address = network_of("192.0.2.1")
    assert address is not None
    assert overlap("carrier.example", "carrier.example")
    assert not overlap("carrier.example", "other.example")
    assert not overlap("carrier.example", address)


@given(st.ip_addresses(v=4))
def test_an_address_mapped_into_the_newer_protocol_is_the_older_one(address: object) -> None:
    assert network_of(f"::ffff:{address}") == network_of(str(address))


@pytest.mark.parametrize("text", ["", "carrier.example", "192.0.2.1/33", "300.1.1.1"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert network_of(text) is None
