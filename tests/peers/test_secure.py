"""Real phones and a carrier over TLS: each verifies the exchange, and the sound goes both ways."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.contracts.certificates import Identity, make_identity
from tests.peers.company import TRUNK_ADDRESS, company
from tests.peers.exchange import Exchange, Node, open_exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.pjsua import open_pjsua
from tests.peers.processes import free_ports
from tests.peers.sound import HEARD_S, heard_s

ANNA_HZ, BORIS_HZ, TALK_S = 440.0, 1150.0, 2.0
NUMBER_OUTSIDE = "+79035550117"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    """Of the exchange, and of the carrier."""
    return make_identity(tmp_path, names=f"IP:127.0.0.1,IP:{TRUNK_ADDRESS}")


@pytest.fixture
def secure_node(node: Node, identity: Identity) -> Node:
    (port,) = free_ports()
    node.identity, node.tls_port = identity, port
    return node


@pytest.fixture
async def secure_exchange(secure_node: Node) -> AsyncIterator[Exchange]:
    async with open_exchange(secure_node, company()) as running_exchange:
        yield running_exchange


@pytest.mark.parametrize(("anna_by", "boris_by"), [("tls", "tls"), ("tls", "udp"), ("udp", "tls")])
async def test_sound_flows_both_ways(
    secure_exchange: Exchange, tmp_path: Path, identity: Identity, anna_by: str, boris_by: str
) -> None:
    exchange = secure_exchange

    def by(transport: str) -> dict[str, object]:
        if transport != "tls":
            return {"transport": transport}
        return {"transport": "tls", "proxy_port": exchange.node.tls_port, "trusted": identity.certificate}

    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ, **by(anna_by)) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ, **by(boris_by)) as boris,
        ):
            await anna.registered()
            await boris.registered()
            for number in (1, 2):  # by the same connections
                await anna.dial("102")
                await anna.state("CONFIRMED", number)
                await boris.happened("CALL_ESTABLISHED", number)
                await trio.sleep(TALK_S)
                await anna.hang_up()
                await boris.happened("CALL_CLOSED", number)
            places = await exchange.get("registrations")
            recording = boris.heard()
    assert {place["transport"] for place in places["items"]} == {anna_by, boris_by}
    assert heard_s(recording, ANNA_HZ) >= HEARD_S
    assert heard_s(anna.heard, BORIS_HZ) >= HEARD_S


async def test_a_phone_that_does_not_know_the_certificate_stays_away(
    secure_exchange: Exchange, tmp_path: Path
) -> None:
    stranger = make_identity(tmp_path, "stranger")
    with trio.fail_after(40):
        port, trusted = secure_exchange.node.tls_port, stranger.certificate
        async with pjsua(
            secure_exchange, tmp_path, "anna-desk", ANNA_HZ, transport="tls", proxy_port=port, trusted=trusted
        ) as anna:
            assert await anna.refused() == 503


async def test_a_carrier_is_called_inside_tls_and_calls_so(
    secure_node: Node, tmp_path: Path, identity: Identity
) -> None:
    (port,) = free_ports()
    document = company(trunk_port=port)
    document["trunks"][0]["transport"] = "tls"
    with trio.fail_after(60):
        async with (
            open_exchange(secure_node, document) as exchange,
            open_pjsua(
                tmp_path / "carrier",
                user=NUMBER_OUTSIDE,
                domain=TRUNK_ADDRESS,
                tone_hz=BORIS_HZ,
                address=TRUNK_ADDRESS,
                port=port,
                transport="tls",
                identity=identity,
                trusted=identity.certificate,
            ) as carrier,
            baresip(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
        ):
            await anna.registered()
            await anna.dial(NUMBER_OUTSIDE)
            await anna.happened("CALL_ESTABLISHED")
            await trio.sleep(TALK_S)
            await anna.hang_up()
            await carrier.state("DISCONNECTED")
            recording = anna.heard()
            await carrier.dial("+74951230101", at=f"127.0.0.1:{secure_node.tls_port};transport=tls")
            await carrier.state("CONFIRMED", 2)
            await anna.happened("CALL_ESTABLISHED", 2)
            await carrier.hang_up()
            await carrier.state("DISCONNECTED", 2)
            records = await exchange.records(2)
    assert heard_s(recording, BORIS_HZ) >= HEARD_S
    assert heard_s(carrier.heard, ANNA_HZ) >= HEARD_S
    assert [record["direction"] for record in records] == ["inbound", "outbound"]


async def test_sipsak_gets_an_answer_to_its_ping(secure_exchange: Exchange, identity: Identity) -> None:
    target = f"sip:127.0.0.1:{secure_exchange.node.tls_port}"
    command = ["sipsak", "-vv", "-E", "tls", f"--tls-ca-cert={identity.certificate}", "-s", target]
    with trio.fail_after(20):
        done = await trio.run_process(command, capture_stdout=True, check=False)
    assert done.returncode == 0, done.stdout.decode()
