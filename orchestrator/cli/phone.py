"""`tandem phone`: a test phone without a screen. It registers, calls, answers, plays, records and presses keys."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import trio
import typer
from attrs import frozen

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
    typer.Option("--for", help="Hang up after so many seconds; otherwise when the sound is over."),
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
        if await outgoing.ringing() and not outgoing.picked_up.is_set():
            print("ringing")
        if await outgoing.answered():
            await _talk(outgoing, talk)
        else:
            end = await outgoing.ended()
            raise ResourceError(f"{number} did not answer: {end.status} {end.reason}".rstrip())

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
        incoming = await phone.incoming.receive()
        if incoming.incoming is not None:
            print(
                f"call from {incoming.incoming.caller_number} {incoming.incoming.caller_name}".rstrip(),
                flush=True,
            )
        incoming.ring()
        with trio.move_on_after(after):
            await incoming.ended()
            print("the caller gave up")
            return
        incoming.answer()
        if await incoming.answered():
            await _talk(incoming, talk)

    _run(_account(user, password, server, domain, transport), wait)


async def _talk(call: PhoneCall, talk: Talk) -> None:
    """One conversation: say, hear and press what was asked for, then hang up."""
    print("answered", flush=True)
    if talk.record:
        call.record(str(talk.record))
    call.send_silence()
    if talk.keys:
        call.send_keys(talk.keys)
    with trio.move_on_after(talk.for_s if talk.for_s is not None else float("inf")):
        if talk.play:
            await call.play(SOUND)
        if not talk.play or talk.for_s is not None:
            await call.ended()
    call.hang_up()
    end = await call.ended()
    quality = end.media
    print(f"ended: {end.status} {end.reason}".rstrip() + (f"; keys heard: {call.keys}" if call.keys else ""))
    if quality is not None and quality.packets_received:
        print(
            f"sound: {quality.codec}, {quality.packets_received} packets received, {quality.packets_sent} sent, "
            f"loss {quality.loss_percent:.1f} %, jitter {quality.jitter_ms:.1f} ms, MOS {quality.mos or 0:.1f}"
        )


def _run(account: PhoneAccount, use: Callable[[Phone], Awaitable[None]]) -> None:
    async def run() -> None:
        async with _registered(account) as phone:
            await use(phone)

    try:
        trio.run(run)
    except* ResourceError as group:
        raise group.exceptions[0] from None
    except* KeyboardInterrupt:
        raise SystemExit(130) from None


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
