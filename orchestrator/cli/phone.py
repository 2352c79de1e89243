"""`tandem phone`: a test phone that registers, calls or answers, plays or records, and presses keys."""

import sys
from pathlib import Path
from typing import Annotated

import trio
import typer

from orchestrator.cli.serve import stopped
from orchestrator.devices.engine.phone import Phone, PhoneAccount, PhoneCall, Phones, open_phones
from orchestrator.devices.wav import read_wav
from orchestrator.model.errors import ConfigError, Problem, ResourceError

REGISTERED_WITHIN_S = 10.0
TONE_HZ = 440.0
SOUND = "sound"


def phone(
    user: Annotated[str, typer.Argument(help="USER@DOMAIN, such as anna-desk@demo.tandem.example.")],
    password: Annotated[str, typer.Option(envvar="TANDEM_PASSWORD", help="The device's password.")],
    exchange: Annotated[str, typer.Option(help="ADDRESS:PORT of the exchange.")] = "127.0.0.1:5060",
    transport: Annotated[str, typer.Option(help="udp or tcp.")] = "udp",
    sha256: Annotated[bool, typer.Option(help="Answer SHA-256 challenges too.")] = False,
    call: Annotated[
        str | None, typer.Option(help="Number to call; without it the phone waits for calls.")
    ] = None,
    play: Annotated[Path | None, typer.Option(help="WAV to send (8 kHz mono); otherwise a tone.")] = None,
    record: Annotated[Path | None, typer.Option(help="WAV to write what is heard to.")] = None,
    keys: Annotated[str, typer.Option(help="Keys to press once talking.")] = "",
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Hang up after so long.")] = 10.0,
) -> None:
    """Be a phone. Exits with 1 if it cannot register or its call is not answered."""
    name, _, domain = user.partition("@")
    host, _, port = exchange.rpartition(":")
    if not name or not domain:
        raise ConfigError([Problem("USER", f"must be USER@DOMAIN, not {user!r}")])
    if not host or not port.isdecimal() or transport not in ("udp", "tcp"):
        raise ConfigError([Problem("--exchange", f"must be ADDRESS:PORT over udp or tcp, not {exchange!r}")])
    sound = None if play is None else _read(play)
    account = PhoneAccount(name, domain, host, int(port), transport, password, sha256)

    async def run() -> bool:
        local = "127.0.0.1" if host.startswith("127.") else "0.0.0.0"
        async with open_phones([f"udp:{local}:0", f"tcp:{local}:0"], media_address=local) as phones:
            if sound is not None:
                phones.load(SOUND, sound)
            own = phones.add(account)
            if not await _register(own):
                return False
            if call is not None:
                return await _talk(
                    own.call(call), f"calling {call}", sound is not None, record, keys, seconds
                )
            return await _wait_for_calls(phones, own, sound is not None, record, keys, seconds)

    try:
        if not trio.run(run):
            raise typer.Exit(1)
    except* OSError as group:
        raise ResourceError(str(group.exceptions[0])) from group


async def _register(own: Phone) -> bool:
    with trio.move_on_after(REGISTERED_WITHIN_S):
        async with trio.open_nursery() as nursery:

            async def refused() -> None:
                status = await own.refused()
                print(
                    f"tandem: the exchange refuses to register {own.account.user} ({status})", file=sys.stderr
                )
                nursery.cancel_scope.cancel()

            nursery.start_soon(refused)
            await own.registered()
            print(f"registered as {own.account.user}@{own.account.domain}", flush=True)
            nursery.cancel_scope.cancel()
        return own.is_registered
    print(f"tandem: no answer from {own.account.host}:{own.account.port}", file=sys.stderr)
    return False


async def _wait_for_calls(
    phones: Phones, own: Phone, has_sound: bool, record: Path | None, keys: str, seconds: float
) -> bool:
    """Answer one call after the other until Ctrl-C."""
    async with trio.open_nursery() as nursery:

        async def until_stopped() -> None:
            await stopped()
            nursery.cancel_scope.cancel()

        nursery.start_soon(until_stopped)
        async for call in own.incoming:
            caller = call.incoming
            print(f"call from {caller.caller_name} {caller.caller_number}" if caller else "call", flush=True)
            call.ring()
            call.answer()
            await _talk(call, "", has_sound, record, keys, seconds)
    return True


async def _talk(
    call: PhoneCall, told: str, has_sound: bool, record: Path | None, keys: str, seconds: float
) -> bool:
    if told:
        print(told, flush=True)
    if not await call.answered():
        end = await call.ended()
        print(f"not answered: {end.status} {end.reason}", flush=True)
        return False
    print("talking", flush=True)
    if record is not None:
        call.record(str(record))
    if keys:
        call.send_keys(keys)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send, call, has_sound)
            await call.ended()
            nursery.cancel_scope.cancel()
    call.hang_up()
    end = await call.ended()
    media = end.media
    heard = f"; heard {media.packets_received} packets, lost {media.packets_lost}" if media else ""
    print(f"ended by {end.by}{heard}{f'; keys {call.keys}' if call.keys else ''}", flush=True)
    return True


async def _send(call: PhoneCall, has_sound: bool) -> None:
    if has_sound:
        await call.play(SOUND)
        call.send_silence()
    else:
        call.send_tone(TONE_HZ)


def _read(path: Path) -> bytes:
    try:
        return read_wav(path.read_bytes())
    except OSError as error:
        raise ConfigError([Problem(str(path), error.strerror or str(error))]) from error
    except ValueError as error:
        raise ConfigError([Problem(str(path), str(error))]) from error
