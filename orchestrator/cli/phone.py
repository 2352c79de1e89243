"""`tandem phone`: a test phone without a screen. It registers, calls, answers, plays, records and presses keys."""

import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import trio
import typer
from attrs import frozen

from orchestrator.cli.serve import run_alone
from orchestrator.devices.engine.phone import Phone, PhoneAccount, PhoneCall, open_phones
from orchestrator.devices.wav import read_wav
from orchestrator.model.errors import ResourceError

REGISTERED_WITHIN_S = 10.0
SOUND = "sound"

app = typer.Typer(
    no_args_is_help=True, help="A test phone: register, call, answer, play or record a WAV, send keys."
)

User = Annotated[str, typer.Option("--user", help="User name of the device.")]
Password = Annotated[str, typer.Option("--password", envvar="TANDEM_PHONE_PASSWORD", help="Its password.")]
Server = Annotated[str, typer.Option("--server", help="HOST:PORT of the exchange.")]
Domain = Annotated[str, typer.Option("--domain", help="The company's domain, as in its document.")]
Transport = Annotated[str, typer.Option("--transport", help="udp or tcp.")]
Play = Annotated[Path | None, typer.Option("--play", help="WAV to say: 8 kHz mono, 16 bit or G.711.")]
Record = Annotated[Path | None, typer.Option("--record", help="Write what is heard into this WAV.")]
Keys = Annotated[str, typer.Option("--keys", help="Keys to press once the call is up: 0-9 * # A-D.")]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--for",
        min=0,
        help="Hang up so many seconds after registering, waiting and ringing included;"
        " otherwise when the sound of --play is over, or the far end hangs up, or by Ctrl-C.",
    ),
]

DEMO_DOMAIN = "demo.tandem.example"
DEMO_SERVER = "127.0.0.1:5060"


@frozen
class Talk:
    """What to do in a call."""

    play: bytes | None
    record: Path | None
    keys: str
    for_s: float | None

    @property
    def limit_s(self) -> float:
        """From the registration to the end of everything."""
        return float("inf") if self.for_s is None else self.for_s

    @classmethod
    def of(cls, play: Path | None, record: Path | None, keys: str, for_s: float | None) -> "Talk":
        """Read the sound. Raises `typer.BadParameter` saying what is wrong with it."""
        if set(keys) - set("0123456789*#ABCD"):
            raise typer.BadParameter("keys are 0-9, *, # and A-D")
        try:
            return cls(read_wav(play.read_bytes()) if play else None, record, keys, for_s)
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"{play}: {error}") from error


@app.command()
def register(
    user: User,
    password: Password,
    server: Server = DEMO_SERVER,
    domain: Domain = DEMO_DOMAIN,
    transport: Transport = "udp",
) -> None:
    """Register, say how it went, unregister."""

    async def done(phone: Phone) -> None:
        print(f"registered as {phone.account.user}@{domain}")

    _run(_account(user, password, server, domain, transport), done)


@app.command()
def call(
    number: Annotated[str, typer.Argument(help="Whom to call: 102, +74951234500.")],
    user: User,
    password: Password,
    server: Server = DEMO_SERVER,
    domain: Domain = DEMO_DOMAIN,
    transport: Transport = "udp",
    play: Play = None,
    record: Record = None,
    keys: Keys = "",
    seconds: Seconds = None,
) -> None:
    """Register and call somebody. Exits with 1 if nobody answers."""
    talk = Talk.of(play, record, keys, seconds)

    async def dial(phone: Phone) -> None:
        outgoing = phone.call(number)
        phone.phones.load(SOUND, talk.play or b"")
        with trio.move_on_after(talk.limit_s) as limit:
            if await outgoing.ringing() and not outgoing.picked_up.is_set():
                print("ringing", flush=True)
            if await outgoing.answered():
                await _talk(outgoing, talk)
        if limit.cancelled_caught and not outgoing.picked_up.is_set():
            raise ResourceError(f"{number} did not answer within {talk.limit_s:g} s")
        await _report(outgoing, number)

    _run(_account(user, password, server, domain, transport), dial)


@app.command()
def answer(
    user: User,
    password: Password,
    server: Server = DEMO_SERVER,
    domain: Domain = DEMO_DOMAIN,
    transport: Transport = "udp",
    play: Play = None,
    record: Record = None,
    keys: Keys = "",
    seconds: Seconds = None,
    after: Annotated[float, typer.Option(help="Ring so many seconds before answering.")] = 2.0,
) -> None:
    """Register, wait for one call, answer it."""
    talk = Talk.of(play, record, keys, seconds)

    async def wait(phone: Phone) -> None:
        print("waiting for a call", flush=True)
        phone.phones.load(SOUND, talk.play or b"")
        incoming: PhoneCall | None = None
        with trio.move_on_after(talk.limit_s):
            incoming = await phone.incoming.receive()
            if incoming.incoming is not None:
                caller = f"{incoming.incoming.caller_number} {incoming.incoming.caller_name}".rstrip()
                print(f"call from {caller}", flush=True)
            incoming.ring()
            with trio.move_on_after(after):
                await incoming.ended()
                print("the caller gave up", flush=True)
                return
            incoming.answer()
            if await incoming.answered():
                await _talk(incoming, talk)
        if incoming is None:
            raise ResourceError(f"nobody called within {talk.limit_s:g} s")
        await _report(incoming, "the call")

    _run(_account(user, password, server, domain, transport), wait)


async def _talk(call: PhoneCall, talk: Talk) -> None:
    """One conversation: say, hear and press what was asked for. Raises `ResourceError` if nothing can be said."""
    print("answered", flush=True)
    if talk.record:
        call.record(str(talk.record))
    call.send_silence()
    if talk.keys:
        call.send_keys(talk.keys)
    if talk.play:
        if not await call.play(SOUND) and call.end is None:
            raise ResourceError("the sound is empty, or the far end does not speak G.711: nothing was played")
        if talk.for_s is None:
            return
    await call.ended()


async def _report(call: PhoneCall, name: str) -> None:
    """Hang up and say how it went. Raises `ResourceError` if nobody answered, or the recording is not whole."""
    call.hang_up()
    end = await call.ended()
    if end.answered_at_ns is None:
        raise ResourceError(f"{name} was not answered: {end.status} {end.reason}".rstrip())
    print(f"ended: {end.status} {end.reason}".rstrip() + (f"; keys heard: {call.keys}" if call.keys else ""))
    quality = end.media
    if quality is not None and quality.packets_received:
        print(
            f"sound: {quality.codec}, {quality.packets_received} packets received, {quality.packets_sent} sent, "
            f"loss {quality.loss_percent:.1f} %, jitter {quality.jitter_ms:.1f} ms, MOS {quality.mos or 0:.1f}"
        )
    if call.recording_fault:
        raise ResourceError(f"the recording is not whole: {call.recording_fault}")


def _run(account: PhoneAccount, use: Callable[[Phone], Awaitable[None]]) -> None:
    """Use the phone until that is done, or Ctrl-C or SIGTERM; either way its call and registration end properly."""
    told: list[int] = []

    async def stop(scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                told.append(number)
                scope.cancel()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop, nursery.cancel_scope)
            async with _registered(account) as phone:
                await use(phone)
            nursery.cancel_scope.cancel()

    run_alone(run)
    if told:
        # As the shell says of a program that a signal ended.
        raise SystemExit(128 + told[0])


@asynccontextmanager
async def _registered(account: PhoneAccount) -> AsyncIterator[Phone]:
    """A phone that the exchange knows. Raises `ResourceError` saying why it does not."""
    ours = _own_address(account.host, account.port)
    async with open_phones([f"udp:{ours}:0", f"tcp:{ours}:0"], media_address=ours) as phones:
        phone = phones.add(account)
        with trio.move_on_after(REGISTERED_WITHIN_S):
            await phones.until(lambda: phone.is_registered or phone.status >= 300)
        if not phone.is_registered:
            answer = f"refused with {phone.status}" if phone.status else "no answer"
            raise ResourceError(f"cannot register {account.user} at {account.host}:{account.port}: {answer}")
        yield phone


def _account(user: str, password: str, server: str, domain: str, transport: str) -> PhoneAccount:
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or transport not in ("udp", "tcp"):
        raise typer.BadParameter("a server is HOST:PORT, a transport udp or tcp")
    return PhoneAccount(user, domain, host, int(port), transport, password, sha256=True)


def _own_address(host: str, port: int) -> str:
    """Our address on the way to the exchange."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ResourceError(f"cannot reach {host}: {error.strerror or error}") from error
