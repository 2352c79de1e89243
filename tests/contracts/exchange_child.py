"""An exchange in a process of its own that may be killed. It writes calls as fast as told, and says what is durable.

Usage: python -m tests.contracts.exchange_child DATA_DIR CALLS_PER_S [FILE_SIZE_MAX]. On standard output, a line
each: "ready", "answered CALL", "fault", "well"; with a size limit it ends by itself.
"""

import resource
import sys
from pathlib import Path

import trio

from orchestrator.app import Exchange, open_exchange
from orchestrator.model.calls import Direction, EndCause, EndedBy, Who
from orchestrator.model.identifiers import CompanyId, DeviceId, LegId, PersonId, TrunkId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRouted,
    DeviceRang,
    LegFinished,
)
from orchestrator.settings import Settings

DEMO = CompanyId("demo")
DOCUMENT = {
    "company": DEMO,
    "name": "Demo",
    "domain": "demo.example",
    "terminal": {"announcement": "unavailable"},
    "people": [{"id": "anna", "name": "Anna", "extension": "101"}],
}


def settings_for(data_dir: Path) -> Settings:
    return Settings(data_dir, sip_listen=("udp:127.0.0.1:0",), media_address="127.0.0.1")


async def main(data_dir: Path, calls_per_s: int, file_size_max: int) -> None:
    async with open_exchange(settings_for(data_dir)) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        say("ready")
        if file_size_max:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_max, resource.RLIM_INFINITY))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(press_on, exchange, calls_per_s, nursery)
            if file_size_max:
                nursery.start_soon(see_full_disk, exchange, nursery)


async def press_on(exchange: Exchange, calls_per_s: int, nursery: trio.Nursery) -> None:
    started_s, begun = trio.current_time(), 0
    while True:
        while begun < (trio.current_time() - started_s) * calls_per_s:
            if exchange.journal.accepting:
                nursery.start_soon(call, exchange, begun)
            begun += 1
        await trio.sleep(0.002)


async def call(exchange: Exchange, place: int) -> None:
    """One call, as the flows would tell it; each twentieth has not ended when the exchange dies."""
    write, id = exchange.journal.write, exchange.world.identifiers.call()
    caller, callee = LegId(2 * place + 1), LegId(2**62 + place)
    write(
        DEMO,
        CallArrived(id, caller, Direction.INBOUND, Who(trunk=TrunkId("t"), number="+79161234567"), "101"),
    )
    write(DEMO, CallRouted(id, "person:anna", "extension", PersonId("anna")))
    write(DEMO, DeviceRang(id, callee, DeviceId("desk"), PersonId("anna")))
    await trio.sleep(place % 7 / 100)
    write(DEMO, CallAnswered(id, callee, Who(PersonId("anna"), DeviceId("desk")), place % 7 * 10))
    await exchange.journal.durable()
    say(f"answered {id}")
    talk_s = 60.0 if place % 20 == 0 else place % 11 / 50
    await trio.sleep(talk_s)
    write(DEMO, LegFinished(id, caller, EndedBy.PEER, 200))
    write(DEMO, LegFinished(id, callee, EndedBy.US, 200))
    write(DEMO, CallEnded(id, EndCause.CALLER_HUNG_UP, place % 7 * 10, round(talk_s * 1000)))


async def see_full_disk(exchange: Exchange, nursery: trio.Nursery) -> None:
    """The disk gets full while calls go on; then there is room again."""
    while exchange.journal.accepting:  # noqa: ASYNC110 - nobody tells of it
        await trio.sleep(0.01)
    say(f"fault {exchange.health().journal.why}")
    with trio.fail_after(3):
        await answer_from_memory(exchange)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while not exchange.journal.accepting:  # noqa: ASYNC110 - nobody tells of it
        await trio.sleep(0.01)
    await exchange.journal.durable()
    say("well")
    nursery.cancel_scope.cancel()


async def answer_from_memory(exchange: Exchange) -> None:
    """A caller is not kept waiting for the disk by somebody who has picked up."""
    id = exchange.world.identifiers.call()
    exchange.journal.write(DEMO, CallArrived(id, LegId(2**61), Direction.INTERNAL, Who(), "101"))
    exchange.journal.write(DEMO, CallAnswered(id, LegId(2**61 + 1), Who(PersonId("anna")), 10))
    await exchange.journal.durable()
    say(f"answered {id}" if exchange.journal.fault else "the disk was well again")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
