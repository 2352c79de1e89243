"""Calls and registers find the servers of a trunk by DNS, and go from one to the next."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import _rust_core as core
from tests.contracts.certificates import make_identity
from tests.contracts.desk import DOMAIN, SECRET, Desk, account, lasting, open_desk
from tests.contracts.name_server import SRV, A, address, name_server, service
from tests.contracts.secure import open_exchange, open_phone

NUMBER = "+74951234567"
FAILOVER_S = 0.6


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that somebody has and nobody answers at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield udp.getsockname()[1]


def trunk(*hosts: core.TrunkHost, transport: str = "udp", health_s: float | None = None) -> core.Trunk:
    """To a carrier that takes calls from anybody."""
    return core.Trunk(
        company="acme",
        id="carrier",
        hosts=hosts,
        failover_s=FAILOVER_S,
        transport=transport,
        health_s=health_s,
    )


async def state(desk: Desk, *standings: str) -> core.TrunkStateChanged:
    """Wait until the servers of the trunk stand so."""
    while True:
        told = await desk.event(core.TrunkStateChanged)
        if tuple(one.standing for one in told.servers) == standings:
            return told


def dial(exchange: Desk) -> int:
    """A call through the trunk."""
    leg = exchange.leg()
    exchange.engine.dial_trunk(leg, "acme", "carrier", NUMBER, caller_number="101")
    return leg


async def taken(exchange: Desk, carrier: Desk, leg: int) -> None:
    """The carrier rings, answers, and hangs up."""
    call = await carrier.event(core.IncomingCall, called=NUMBER)
    carrier.engine.ring(call.leg)
    await exchange.event(core.LegRinging, leg=leg)
    carrier.engine.answer(call.leg)
    await exchange.event(core.LegAnswered, leg=leg)
    carrier.engine.hang_up(call.leg)
    assert (await exchange.event(core.LegEnded, leg=leg)).status == 200


def knows(carrier: Desk, exchange: Desk) -> None:
    """Let the carrier take calls of the exchange."""
    host = core.TrunkHost("127.0.0.1", exchange.port)
    carrier.engine.set_trunks([core.Trunk(company="carrier", id="customer", hosts=[host])])


async def test_a_call_goes_from_a_silent_server_to_the_next_one_that_dns_names(silent: int) -> None:
    async with open_desk() as carrier:
        records = {
            ("_sip._udp.carrier.example", SRV): [
                service(20, 0, carrier.port, "b.carrier.example"),
                service(10, 0, silent, "a.carrier.example"),
            ],
            ("a.carrier.example", A): [address("127.0.0.1")],
            ("b.carrier.example", A): [address("127.0.0.1")],
        }
        with name_server(records) as names:
            async with open_desk(name_servers=[names.address]) as exchange:
                knows(carrier, exchange)
                exchange.engine.set_trunks([trunk(core.TrunkHost("carrier.example"))])
                await state(exchange, "unknown", "unknown")
                leg = dial(exchange)
                tried = await exchange.event(core.ServerTried, leg=leg)
                assert tried.server == f"carrier.example (127.0.0.1:{silent})"
                assert tried.next == f"carrier.example (127.0.0.1:{carrier.port})"
                assert (tried.status, tried.reason) == (408, "no answer from the network")
                await taken(exchange, carrier, leg)
    assert "_sip._udp.carrier.example" in names.asked


async def test_a_host_without_address_ends_a_call_and_is_told() -> None:
    with name_server({}) as names:
        async with open_desk(name_servers=[names.address]) as exchange:
            exchange.engine.set_trunks([trunk(core.TrunkHost("gone.example"))])
            told = await state(exchange, "down")
            assert (told.servers[0].address, told.servers[0].reason) == (
                None,
                "the trunk's host has no address",
            )
            end = await exchange.event(core.LegEnded, leg=dial(exchange))
            assert (end.status, end.reason) == (503, "the trunk's host has no address")


async def test_a_call_goes_on_from_a_server_that_takes_no_connection() -> None:
    closed = int(lasting("tcp").rpartition(":")[2])
    async with open_desk() as carrier, open_desk() as exchange:
        knows(carrier, exchange)
        hosts = (core.TrunkHost("127.0.0.1", closed), core.TrunkHost("127.0.0.1", carrier.port_of("tcp")))
        exchange.engine.set_trunks([trunk(*hosts, transport="tcp")])
        leg = dial(exchange)
        tried = await exchange.event(core.ServerTried, leg=leg)
        assert (tried.status, tried.server) == (503, f"127.0.0.1:{closed}")
        await taken(exchange, carrier, leg)


async def test_when_nobody_takes_it_the_call_ends_once_and_all_are_named() -> None:
    closed = int(lasting("tcp").rpartition(":")[2])
    async with open_desk() as exchange:
        hosts = core.TrunkHost("127.0.0.1", closed), core.TrunkHost("127.0.0.2", closed)
        exchange.engine.set_trunks([trunk(*hosts, transport="tcp")])
        leg = dial(exchange)
        tried = [await exchange.event(core.ServerTried, leg=leg) for _ in hosts]
        assert [one.next is None for one in tried] == [False, True]
        assert (await exchange.event(core.LegEnded, leg=leg)).by == "timeout"


async def test_servers_are_asked_whether_they_are_there() -> None:
    async with open_desk() as exchange:
        place = lasting()
        port = int(place.rpartition(":")[2])
        async with open_desk(place) as carrier:
            knows(carrier, exchange)
            exchange.engine.set_trunks([trunk(core.TrunkHost("127.0.0.1", port), health_s=0.3)])
            await state(exchange, "up")
        told = await state(exchange, "down")
        assert (told.registers, told.servers[0].status) == (False, 408)
        assert await exchange.counter("sip_trunk_servers_down", 1) == 1
        async with open_desk(place):
            await state(exchange, "up")


async def test_a_register_goes_on_from_a_silent_server_and_calls_follow_it(silent: int) -> None:
    async with open_desk() as carrier, open_desk() as phone:
        carrier.engine.set_accounts([account("anna")])
        hosts = [core.TrunkHost("127.0.0.1", silent), core.TrunkHost("127.0.0.1", carrier.port)]
        registering = core.Trunk(
            company="acme",
            id="carrier",
            hosts=hosts,
            failover_s=FAILOVER_S,
            username="anna",
            realm=DOMAIN,
            ha1_md5=core.ha1("anna", DOMAIN, SECRET),
            domain=DOMAIN,
            register=True,
        )
        phone.engine.set_trunks([registering])
        told = await phone.event(core.TrunkStateChanged)
        assert told.registered
        assert [one.is_home for one in told.servers] == [False, True]
        await carrier.event(core.RegistrationChanged, why="registered")
        leg = dial(phone)
        await carrier.event(core.IncomingCall, called=NUMBER)
        assert not phone.has(core.ServerTried), "the one that registered us comes first"
        phone.engine.hang_up(leg)
        await phone.event(core.LegEnded, leg=leg)


@pytest.mark.parametrize(("shown", "trusts"), [("carrier.example", True), ("sip.carrier.example", False)])
async def test_a_server_that_dns_names_shows_the_certificate_of_the_host(
    shown: str, trusts: bool, tmp_path: Path
) -> None:
    identity = make_identity(tmp_path, names=f"DNS:{shown}")
    async with open_exchange(identity) as carrier:
        carrier.engine.set_accounts([account("anna")])
        records = {
            ("_sips._tcp.carrier.example", SRV): [
                service(0, 0, carrier.port_of("tls"), "sip.carrier.example")
            ],
            ("sip.carrier.example", A): [address("127.0.0.1")],
        }
        with name_server(records) as names:
            async with open_phone(identity, name_servers=[names.address]) as phone:
                phone.engine.set_trunks(
                    [trunk(core.TrunkHost("carrier.example"), transport="tls", health_s=0.2)]
                )
                told = await state(phone, "up" if trusts else "down")
                if not trusts:
                    why = "certificate of carrier.example: it is for sip.carrier.example"
                    assert told.servers[0].reason == why
