"""SIP inside TLS: calls go through, certificates are verified and change under calls."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.certificates import Identity, make_identity
from tests.contracts.desk import DOMAIN, connect, line, register
from tests.contracts.secure import open_exchange, open_phone, secured

ENDS_2020_02_01_S = 1_580_515_200


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path)


async def test_a_call_goes_through_tls(identity: Identity) -> None:
    async with open_exchange(identity) as exchange, open_phone(identity) as phone:
        (binding,) = await register(exchange, phone, line(exchange, "anna", transport="tls"))
        assert binding.transport == "tls"
        assert "transport=tls" in binding.contact
        made = await connect(exchange, phone, binding)
        phone.engine.hang_up(made.caller)
        await exchange.event(core.LegEnded, leg=made.incoming.leg)
        exchange.engine.hang_up(made.dialled)
        await phone.event(core.LegEnded, leg=made.callee.leg)
        assert await exchange.counter("tls_handshakes", 1) == 1, "one connection for all of it"


async def test_a_ping_inside_tls_is_answered(identity: Identity) -> None:
    async with open_exchange(identity) as exchange:
        with await trio.to_thread.run_sync(secured, exchange, identity) as phone:
            phone.sendall(b"\r\n\r\n")
            assert await trio.to_thread.run_sync(phone.recv, 16) == b"\r\n"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({}, "certificate of 127.0.0.1: nobody whom we trust has signed it (--tls-authorities)"),
        ({"names": "DNS:other.example"}, "certificate of 127.0.0.1: it is for other.example"),
        ({"ended": True}, "certificate of 127.0.0.1: it ended "),
    ],
    ids=["unknown", "of another", "ended"],
)
async def test_a_trunk_that_does_not_show_who_it_is_is_not_talked_to(
    shown: dict[str, object], words: str, identity: Identity, tmp_path: Path
) -> None:
    carrier = make_identity(tmp_path, "carrier", **shown)  # type: ignore[arg-type]  # of the table above
    async with open_exchange(carrier) as exchange, open_phone(carrier if shown else identity) as phone:
        phone.engine.set_trunks([line(exchange, "anna", transport="tls")])
        state = await phone.event(core.TrunkStateChanged)
        assert (state.registered, state.status) == (False, 503)
        assert state.reason.startswith(words)
        assert not exchange.has(core.RegistrationChanged)


async def test_all_trunks_at_an_address_have_to_be_in_its_certificate(identity: Identity) -> None:
    async with open_exchange(identity) as exchange, open_phone(identity) as phone:
        mine = line(exchange, "anna", transport="tls")
        other = core.Trunk(
            company="phones",
            id="other",
            hosts=[core.TrunkHost("localhost", exchange.port_of("tls"))],
            transport="tls",
        )
        phone.engine.set_trunks([mine])
        assert (await phone.event(core.TrunkStateChanged)).registered
        phone.engine.set_trunks([mine, other])
        leg = phone.leg()
        with trio.fail_after(5):
            while True:  # until the other's name is looked up
                phone.engine.dial_trunk(leg, "phones", "other", "102", caller_number="1", caller_name="")
                ended = await phone.event(core.LegEnded, leg=leg)
                if "address" not in ended.reason:
                    break
                leg = phone.leg()
                await trio.sleep(0.05)
        assert (ended.status, ended.reason) == (503, "certificate of localhost: it is for 127.0.0.1")
        assert not exchange.has(core.IncomingCall)


async def test_who_asks_for_our_certificate_sees_it(identity: Identity) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=identity.certificate)
    context.load_cert_chain(identity.certificate, identity.key)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as carrier:
        async with open_phone(identity) as phone:
            port = carrier.getsockname()[1]
            trunk = core.Trunk(
                company="phones",
                id="x",
                hosts=[core.TrunkHost("127.0.0.1", port)],
                transport="tls",
                domain=DOMAIN,
            )
            phone.engine.set_trunks([trunk])
            phone.engine.dial_trunk(phone.leg(), "phones", "x", "102", caller_number="anna", caller_name="")

            def shown() -> bytes:
                with context.wrap_socket(carrier.accept()[0], server_side=True) as ours:
                    assert ours.getpeercert()
                    return ours.recv(4096)

            assert (await trio.to_thread.run_sync(shown)).startswith(b"INVITE sip:102@127.0.0.1:")


async def test_a_certificate_that_has_ended_is_told_and_served(tmp_path: Path) -> None:
    old = make_identity(tmp_path, ended=True)
    async with open_exchange(old) as exchange:
        told = await exchange.event(core.CertificateRead)
        assert (told.ends_at_s, told.fault) == (ENDS_2020_02_01_S, None)
        make_identity(tmp_path)
        told = await exchange.event(core.CertificateRead)
        assert (told.ends_at_s > ENDS_2020_02_01_S, told.fault) == (True, None)


async def test_a_new_certificate_is_for_new_connections_and_a_broken_one_for_none(
    identity: Identity, tmp_path: Path
) -> None:
    async with open_exchange(identity) as exchange, open_phone(identity) as phone:
        (binding,) = await register(exchange, phone, line(exchange, "anna", transport="tls"))
        made = await connect(exchange, phone, binding)
        old = identity.certificate.read_text()
        assert (await exchange.event(core.CertificateRead)).fault is None
        identity.certificate.write_text("nothing of use")
        told = await exchange.event(core.CertificateRead)
        assert told.fault == f"{identity.certificate}: holds no certificate in PEM form"
        assert told.ends_at_s > ENDS_2020_02_01_S, "of the old one, which is in force"
        (await trio.to_thread.run_sync(secured, exchange, old)).close()
        make_identity(tmp_path)
        assert (await exchange.event(core.CertificateRead)).fault is None
        with pytest.raises(ssl.SSLCertVerificationError):
            await trio.to_thread.run_sync(secured, exchange, old)
        (await trio.to_thread.run_sync(secured, exchange, identity)).close()
        phone.engine.hang_up(made.caller)
        await exchange.event(core.LegEnded, leg=made.incoming.leg)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("tls1_1", b"alert handshake failure"),
        ("tls1_2", b"New, TLSv1.2, Cipher is"),
        ("tls1_3", b"New, TLSv1.3, Cipher is"),
    ],
)
async def test_only_tls_1_2_and_1_3_are_spoken(version: str, told: bytes, identity: Identity) -> None:
    async with open_exchange(identity) as exchange:
        command = f"openssl s_client -connect 127.0.0.1:{exchange.port_of('tls')} -{version}"
        command += " -cipher DEFAULT:@SECLEVEL=0"
        done = await trio.to_thread.run_sync(
            lambda: subprocess.run(command.split(), input=b"", capture_output=True, timeout=10)
        )
        assert told in done.stdout + done.stderr, done


@pytest.mark.parametrize("fault", ["missing", "empty", "mismatched", "keyless", "no authorities"])
def test_a_certificate_that_cannot_be_used_is_named_in_one_line(fault: str, tmp_path: Path) -> None:
    made, other = make_identity(tmp_path), make_identity(tmp_path, "other")
    files = made.options()
    match fault:
        case "missing":
            files["tls_certificate"] = tmp_path / "none.pem"
            named = r"none\.pem: No such file"
        case "empty":
            made.certificate.write_text("")
            named = r"exchange\.pem: holds no certificate"
        case "mismatched":
            files["tls_key"] = other.key
            named = r"other\.key: is not that of the certificate .*exchange\.pem"
        case "keyless":
            made.key.write_text("x")
            named = r"exchange\.key: holds no private key"
        case _:
            files["tls_authorities"] = other.key
            named = r"other\.key: holds no certificate"
    with pytest.raises(OSError, match=named) as told:
        core.Engine(sip_listen=["tls:127.0.0.1:0"], default_realm=DOMAIN, media_address="127.0.0.1", **files)
    assert "\n" not in str(told.value)
