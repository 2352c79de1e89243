"""INVITE with Replaces over real sockets: the engine names the leg that is meant, and refuses as RFC 3891 says."""

import itertools

import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import SECRET, Desk, open_pair
from tests.contracts.raw_sip import RawPeer, authorization, status_of
from tests.contracts.test_engine_transfers import called


async def test_whose_place_is_wanted_is_told_and_what_cannot_be_had_is_refused() -> None:
    async with open_pair() as (exchange, _):
        anna = await called(exchange)
        ours, theirs = (line.rpartition(";tag=")[2] for line in (anna.ours, anna.theirs))
        place = f"Replaces: {anna.call_id};to-tag={theirs};from-tag={ours}"
        status, event = await wants(exchange, anna.peer, f"{place}\r\nRequire: replaces\r\n")
        assert (status, event) == (100, anna.leg)
        for headers, refused in [
            (f"{place};early-only\r\n", 486),
            (f"{place}x\r\n", 481),
            ("Replaces: nonsense\r\n", 400),
        ]:
            assert await wants(exchange, anna.peer, headers) == (refused, None)
        anna.peer.close()


async def wants(exchange: Desk, peer: RawPeer, headers: str) -> tuple[int, int | None]:
    """A call to 102 by Anna with these headers: how it is answered first, and whose place it wants."""
    call_id = f"wants-{next(_ids)}"
    body = peer.offer(9)

    def invite(cseq: int, more: str) -> str:
        return peer.request(
            "INVITE", "102", caller="anna", call_id=call_id, cseq=cseq, headers=headers + more, body=body
        )

    def heard(final: bool) -> str:
        while True:
            answer = peer.receive()
            if call_id in answer and not (final and answer.startswith("SIP/2.0 1")):
                return answer

    peer.send(invite(1, ""))
    challenge = await trio.to_thread.run_sync(heard, True)
    assert status_of(challenge) == 407
    value = authorization(challenge, "anna", SECRET, "INVITE", "102")
    peer.send(invite(2, f"Proxy-Authorization: {value}\r\n"))
    status = 407
    while status == 407:
        status = status_of(await trio.to_thread.run_sync(heard, False))
    if status >= 300:
        return status, None
    incoming = await exchange.event(core.IncomingCall, call_id=call_id)
    exchange.engine.reject(incoming.leg, 480)
    return status, incoming.instead_of


_ids = itertools.count(1)
