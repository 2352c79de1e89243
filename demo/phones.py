"""The phones of the demo company and its carrier, over real SIP and RTP: `python -m demo.phones`.

They register with a running exchange as its company document says, and keep calls going at a human pace until they
are ended. Nothing in here knows the exchange but through its addresses: any exchange with that company will do.
"""

import argparse
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import yaml

from demo.manners import Manners, keep_answering
from demo.traffic import Traffic
from orchestrator.cli.serve import run_alone
from orchestrator.devices.engine.phone import Phone, PhoneAccount, Phones, open_phones
from orchestrator.devices.wav import read_wav
from orchestrator.model.errors import ResourceError

COMPANY = Path(__file__).with_name("company.yaml")
PROMPTS = Path(__file__).parent.parent / "orchestrator" / "prompts"
AWAY = frozenset({"guest", "mikhail"})
"""Whose phones are not here: the visitor's own, and the one on the plane."""
REGISTERED_WITHIN_S = 20.0


async def run(arguments: argparse.Namespace, rng: random.Random) -> None:
    """Register everybody, then call and answer until cancelled."""
    company = yaml.safe_load(arguments.company.read_text(encoding="utf-8"))
    async with (
        open_people(company, arguments.exchange) as people,
        open_carrier(company, arguments) as carrier,
    ):
        with trio.move_on_after(REGISTERED_WITHIN_S):
            async with trio.open_nursery() as nursery:
                for phone in people:
                    nursery.start_soon(phone.registered)
        online = [phone for phone in people if phone.is_registered]
        print(f"{len(online)} of {len(people)} phones registered; calls begin", flush=True)
        if not online:
            raise ResourceError(f"no phone could register with {arguments.exchange}")
        manners = Manners(rng)
        async with trio.open_nursery() as nursery:
            for phone in (*people, carrier):
                nursery.start_soon(keep_answering, phone, manners)
            if arguments.calls:
                traffic = Traffic.of_company(company, people, carrier, manners)
                await traffic.keep_going(at_once=arguments.calls, pause_s=arguments.pause)


@asynccontextmanager
async def open_people(company: Mapping[str, Any], exchange: str) -> AsyncIterator[list[Phone]]:
    """Every phone of the company but those away, in one engine. Their registrations end with the block."""
    host, port = _address(exchange)
    async with open_phones([f"udp:{host}:0", f"tcp:{host}:0"], media_address=host) as phones:
        _load_speech(phones)
        yield [
            phones.add(
                PhoneAccount(
                    user=device.get("username", device["id"]),
                    domain=company["domain"],
                    host=host,
                    port=port,
                    # Softphones take TCP, so that both ways are seen at work.
                    transport="tcp" if device["kind"] == "softphone" else "udp",
                    password=device["password"],
                )
            )
            for person in company["people"]
            if person["id"] not in AWAY
            for device in person["devices"]
            if "password" in device
        ]


@asynccontextmanager
async def open_carrier(company: Mapping[str, Any], arguments: argparse.Namespace) -> AsyncIterator[Phone]:
    """The far end of the company's first trunk: it calls in, and answers as everybody's mobile."""
    trunk = company["trunks"][0]
    host, port = _address(arguments.exchange)
    address = f"udp:{trunk['host']}:{arguments.carrier_port or trunk['port']}"
    async with AsyncExitStack() as stack:
        try:
            phones = await stack.enter_async_context(open_phones([address], media_address=trunk["host"]))
        except ResourceError as error:
            raise ResourceError(f"the carrier: {error}; give another --carrier-port") from error
        _load_speech(phones)
        yield phones.add(PhoneAccount(user=trunk["id"], domain=trunk["host"], host=host, port=port))


def main() -> None:
    """Read the command line; Ctrl-C and SIGTERM end everything cleanly."""
    parser = argparse.ArgumentParser(prog="python -m demo.phones", description=main.__doc__)
    parser.add_argument("--exchange", default="127.0.0.1:5060", help="where the exchange takes SIP")
    parser.add_argument("--company", type=Path, default=COMPANY, help="the company's document")
    parser.add_argument(
        "--carrier-port", type=int, help="where the carrier listens; default: as in the document"
    )
    parser.add_argument("--calls", type=int, default=4, help="calls at once, at most; 0: none")
    parser.add_argument("--pause", type=float, default=4.0, help="mean seconds between two calls")
    parser.add_argument("--seed", type=int, help="makes the same calls again")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(32)
    try:
        run_alone(lambda: _until_told(arguments, random.Random(seed)))
    except ResourceError as error:
        sys.exit(str(error))


async def _until_told(arguments: argparse.Namespace, rng: random.Random) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_on_signal, nursery.cancel_scope)
        await run(arguments, rng)
        nursery.cancel_scope.cancel()


async def _cancel_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def _load_speech(phones: Phones) -> None:
    for file in sorted(PROMPTS.glob("*/*.wav")):
        phones.load(f"{file.parent.name}/{file.stem}", read_wav(file.read_bytes()))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
