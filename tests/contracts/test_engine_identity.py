"""Who calls, on the wire of a trunk and in the engine's events."""

import pytest

from orchestrator import _rust_core as core
from tests.contracts.desk import COMPANY, Desk, open_desk
from tests.contracts.raw_sip import RawPeer, header


def carrier(peer: RawPeer, *, identity: str = "from", trusted: bool = True) -> core.Trunk:
    """The peer as a trunk."""
    hosts = [core.TrunkHost("127.0.0.1", peer.port)]
    return core.Trunk(company=COMPANY, id="carrier", hosts=hosts, identity=identity, trusted=trusted)


def dial(exchange: Desk, peer: RawPeer, *, hidden: bool) -> str:
    """The INVITE that the peer gets."""
    leg = exchange.leg()
    exchange.engine.dial_trunk(
        leg, COMPANY, "carrier", "+7916", caller_number="+74951", caller_name="Acme", hidden=hidden
    )
    return peer.receive()


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_caller_who_hides_is_told_to_a_trusted_trunk_alone(trusted: bool) -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer, identity="p_asserted_identity", trusted=trusted)])
        invite = dial(exchange, peer, hidden=True)
        assert header(invite, "From").startswith('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=')
        assert header(invite, "Privacy") == "id"
        assert ("P-Asserted-Identity: " in invite) is trusted
        assert ("+74951" in invite) is trusted
        peer.close()


async def test_a_caller_who_does_not_hide_is_named_in_both() -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer, identity="remote_party_id")])
        invite = dial(exchange, peer, hidden=False)
        assert header(invite, "From").startswith('"Acme" <sip:+74951@127.0.0.1>')
        said = '"Acme" <sip:+74951@127.0.0.1>;party=calling;privacy=off;screen=yes'
        assert header(invite, "Remote-Party-ID") == said
        assert "Privacy" not in invite
        peer.close()


@pytest.mark.parametrize(("trusted", "number"), [(True, "+74957"), (False, "outside")])
async def test_what_is_asserted_counts_if_the_trunk_is_trusted(trusted: bool, number: str) -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer, trusted=trusted)])
        asserted = "P-Asserted-Identity: <sip:+74957@carrier.example>\r\n"
        peer.send(peer.request("INVITE", "102", headers=asserted, body=peer.offer(9)))
        incoming = await exchange.event(core.IncomingCall)
        assert (incoming.caller_number, incoming.hidden) == (number, False)
        peer.send(peer.request("INVITE", "102", headers=f"{asserted}Privacy: id\r\n", body=peer.offer(9)))
        hidden = await exchange.event(core.IncomingCall)
        assert (hidden.caller_number, hidden.hidden) == ("", True)
        peer.close()


def test_an_identity_that_nobody_knows_is_refused() -> None:
    hosts = [core.TrunkHost("127.0.0.1")]
    with pytest.raises(ValueError, match='identity: "caller" is not understood'):
        core.Trunk(company=COMPANY, id="carrier", hosts=hosts, identity="caller")
