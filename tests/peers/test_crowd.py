"""A number takes any number of calls at once; and what is said of them survives the death of the exchange."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from orchestrator.devices.engine.phone import Phone, PhoneAccount, open_phones
from tests.peers.company import DID_ANNA, TRUNK_ADDRESS, company, password
from tests.peers.exchange import DOMAIN, Exchange, Node, open_exchange
from tests.peers.processes import Program, running

SCENARIO = Path(__file__).parent / "scenarios" / "crowd.xml"


async def test_three_hundred_at_once_are_all_answered(exchange: Exchange, tmp_path: Path) -> None:
    """One DID, one person, one desk phone that takes whatever comes: nobody hears busy."""
    with trio.fail_after(90):
        async with anna_takes_all(exchange) as phone, sipp(exchange, tmp_path, calls=300, rate=60) as callers:
            await exchange.until("calls?limit=1", lambda page: page["total"] == 300, within_s=30)
            await exchange.until(
                "counters", lambda counters: counters["total"]["talking"] == 300, within_s=10
            )
            assert not phone.is_free
            assert await callers.exit_status(within_s=40) == 0
        await exchange.until("calls?limit=1", lambda page: page["total"] == 0)
        counters = await exchange.get("counters")
    assert (counters["total"]["answered"], counters["total"]["missed"]) == (300, 0)


async def test_a_killed_exchange_loses_no_answered_call_and_doubles_none(node: Node, tmp_path: Path) -> None:
    with trio.fail_after(90):
        async with (
            open_exchange(node, company()) as first,
            anna_takes_all(first),
            sipp(first, tmp_path, calls=40, rate=40),
        ):
            await first.until("counters", lambda counters: counters["total"]["talking"] == 40, within_s=20)
            await trio.sleep(2)
            first.program.process.kill()
            await first.program.exit_status(within_s=5)
        async with open_exchange(node) as second:
            records = (await second.get("call-records", limit=200))["items"]
            assert (await second.get("calls"))["items"] == []
    assert len({record["call"] for record in records}) == len(records) == 40
    for record in records:
        assert record["cause"] == "node_failure"
        assert record["answered_at"] is not None
        assert record["ended_at"] is not None
        assert 500 < record["talk_ms"] < 8000


@asynccontextmanager
async def anna_takes_all(exchange: Exchange) -> AsyncIterator[Phone]:
    """Anna's desk phone, which answers every call at once."""
    async with open_phones(media_ports=(30000, 38999)) as phones, trio.open_nursery() as nursery:
        phone = phones.add(
            PhoneAccount("anna-desk", DOMAIN, port=exchange.port, password=password("anna-desk"))
        )
        await phone.registered()

        async def answer() -> None:
            async for call in phone.incoming:
                call.ring()
                call.answer()

        nursery.start_soon(answer)
        yield phone
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def sipp(exchange: Exchange, folder: Path, *, calls: int, rate: int) -> AsyncIterator[Program]:
    """SIPp at the trunk's address calls Anna's public number."""
    command = [
        "sipp",
        f"127.0.0.1:{exchange.port}",
        "-sf",
        str(SCENARIO),
        "-s",
        DID_ANNA,
        "-i",
        TRUNK_ADDRESS,
    ]
    command += ["-m", str(calls), "-l", str(calls), "-r", str(rate), "-mp", "42000", "-nostdin"]
    command += ["-timeout", "60s", "-timeout_error"]
    async with running(command, cwd=folder) as program:
        yield program
