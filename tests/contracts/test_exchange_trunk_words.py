"""The whole exchange with a carrier that has its own words: a document, a phone, and what is on the wire."""

from pathlib import Path
from typing import Any

import trio

from orchestrator.app import open_exchange
from orchestrator.devices.engine.phone import PhoneAccount, open_phones
from tests.contracts.raw_sip import RawPeer, header, status_of
from tests.contracts.test_exchange import DOCUMENT, port_of, settings_for

CALLED, MOBILE = "+74951234501", "+79161230101"


def company(carrier: RawPeer) -> dict[str, Any]:
    """Anna shows her own number; callers of it whom she misses go to her mobile."""
    trunk = {
        "id": "carrier",
        "host": "127.0.0.1",
        "port": carrier.port,
        "caller_number": "+74951234500",
        "caller_name": "Demo",
        "shows": ["+7495123"],
        "identity": "p_asserted_identity",
        "codecs": ["PCMU", "PCMA"],
        "numbers": {
            "out": {"called": {"format": "e164", "strip": 1, "prefix": "8"}, "caller": "e164"},
            "in": {"called": {"format": "e164", "prefix": "7495"}, "caller": "e164"},
        },
    }
    anna = {**DOCUMENT["people"][0], "caller_number": CALLED, "next": {"offline": {"outside": MOBILE}}}
    numbers = [{"number": CALLED, "to": {"person": "anna"}}]
    outside = {"trunk": "carrier"}
    return {**DOCUMENT, "people": [anna], "trunks": [trunk], "numbers": numbers, "outside": outside}


async def test_a_call_of_a_phone_is_told_in_the_carriers_words(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange, open_phones() as phones:
            carrier = RawPeer(port_of(exchange))
            await exchange.apply(company(carrier), by="test")
            account = PhoneAccount(
                "anna-desk", "demo.example", port=port_of(exchange), password="secret-of-anna"
            )
            phone = phones.add(account)
            await phone.registered()
            call = phone.call("8 916 123-01-01")
            invite = await trio.to_thread.run_sync(carrier.receive)
            assert invite.startswith("INVITE sip:89161230101@127.0.0.1:")
            assert header(invite, "From").startswith('"Demo" <sip:74951234501@127.0.0.1>;tag=')
            assert header(invite, "P-Asserted-Identity") == '"Demo" <sip:74951234501@127.0.0.1>'
            assert "Diversion" not in invite
            assert " RTP/AVP 0 8\r\n" in invite
            call.hang_up()
            await call.ended()
            carrier.close()


async def test_a_call_of_the_carrier_is_read_led_on_and_says_for_whom_it_was(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange:
            carrier = RawPeer(port_of(exchange))
            await exchange.apply(company(carrier), by="test")
            diverted = "Diversion: <sip:4930123456@x>;reason=user-busy;counter=2\r\n"
            carrier.send(carrier.request("INVITE", "1234501", headers=diverted, body=carrier.offer(9)))
            while not (invite := await trio.to_thread.run_sync(carrier.receive)).startswith("INVITE"):
                pass
            assert invite.startswith("INVITE sip:89161230101@")
            assert header(invite, "From").startswith('"Demo" <sip:74951234500@127.0.0.1>;tag=')
            assert header(invite, "Diversion") == "<sip:74951234501@127.0.0.1>;reason=unavailable;counter=3"
            assert " RTP/AVP 8\r\n" in invite
            carrier.close()


async def test_a_call_of_the_carrier_without_a_codec_in_common_gets_488(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange:
            carrier = RawPeer(port_of(exchange))
            await exchange.apply(company(carrier), by="test")
            offer = carrier.offer(9).replace("AVP 8", "AVP 18").replace("8 PCMA", "18 G729")
            answer = await trio.to_thread.run_sync(
                carrier.ask, carrier.request("INVITE", "1234501", body=offer)
            )
            assert status_of(answer) == 488
            carrier.close()
