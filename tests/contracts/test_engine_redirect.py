"""A phone sends its callers on (302): the engine follows nothing, and tells the number."""

import trio

from orchestrator import _rust_core as core
from orchestrator.devices.engine.words import end_of, failure_of
from tests.contracts.desk import DOMAIN, open_pair
from tests.contracts.raw_sip import RawPeer, header, status_of
from tests.contracts.test_engine_transfers import answer


async def test_where_a_phone_sends_its_callers_is_told() -> None:
    async with open_pair() as (exchange, _):
        anna = RawPeer(exchange.port)
        assert status_of(anna.register("anna", contact=f"<sip:anna@127.0.0.1:{anna.port}>")) == 200
        changed = await exchange.event(core.RegistrationChanged, why="registered")
        for cseq, (contact, moved_to) in enumerate(
            [(f"<sip:103@{DOMAIN}>", "103"), ("<sip:103@192.0.2.7>", "")]
        ):
            leg = exchange.leg()
            exchange.engine.dial_binding(leg, changed.bindings[0].id, caller_number="102")
            invite = await trio.to_thread.run_sync(anna.receive)
            more = f"Contact: {contact}\r\n"
            anna.send(answer(invite, 302, "Moved Temporarily", more, tag=f"anna{cseq}"))
            ack = await trio.to_thread.run_sync(anna.receive)
            assert ack.startswith("ACK "), ack
            assert header(ack, "Call-ID") == header(invite, "Call-ID")
            ended = await exchange.event(core.LegEnded, leg=leg)
            assert (ended.status, ended.by, ended.moved_to) == (302, "peer", moved_to)
            assert failure_of(end_of(ended), rang=False).moved_to == moved_to
        anna.close()
