"""A phone in a browser, over WebSocket inside TLS: all of its signalling; its sound is still to come."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trio

from orchestrator.devices.engine.phone import Phone, PhoneAccount, open_phones
from tests.contracts.certificates import make_identity
from tests.peers.company import company, password, person, sip
from tests.peers.exchange import DOMAIN, Exchange, Node, open_exchange
from tests.peers.jssip import ORIGIN, BrowserPhone, browser_phone
from tests.peers.processes import free_ports

TO_BORIS = {"next": {"declined": {"person": "boris"}, "unreachable": {"person": "boris"}}}


def document() -> dict[str, Any]:
    """Anna has a browser, Boris stands in for her."""
    return company(anna=person("anna", "101", [sip("anna-browser", kind="softphone")], **TO_BORIS))


@pytest.fixture
def web_node(node: Node, tmp_path: Path) -> Node:
    node.identity = make_identity(tmp_path)
    node.tls_port, node.wss_port = free_ports(2)
    node.more = {"TANDEM_WS_ORIGIN": ORIGIN, "TANDEM_REGISTRATION_EXPIRES_S": "10-3600"}
    return node


def account(exchange: Exchange, device: str) -> PhoneAccount:
    return PhoneAccount(user=device, password=password(device), domain=DOMAIN, port=exchange.port)


async def in_browser(node: Node, story: Callable[[BrowserPhone], None], origin: str = ORIGIN) -> None:
    """Tell a story in another thread, while phones and exchange go on in this one."""

    def run() -> None:
        with browser_phone(node, origin) as phone:
            story(phone)

    with trio.fail_after(90):
        await trio.to_thread.run_sync(run)


def wait(of: Callable[..., Coroutine[Any, Any, Any]], *words: Any) -> Any:
    """What a coroutine of the main thread gives."""
    return trio.from_thread.run(of, *words)


async def test_it_registers_refreshes_and_goes(web_node: Node) -> None:
    async with open_exchange(web_node, document()) as exchange:

        async def place() -> Any:
            page = await exchange.until("registrations", lambda page: len(page["items"]) == 1)
            return page["items"][0]

        async def renewed(before: str) -> Any:
            def is_newer(page: Any) -> bool:
                return [item for item in page["items"] if item["expires_at"] > before] != []

            return await exchange.until("registrations", is_newer)

        async def nobody() -> Any:
            return await exchange.until("registrations", lambda page: page["items"] == [])

        def story(anna: BrowserPhone) -> None:
            anna.start("anna-browser", web_node, expires_s=10)
            anna.told("connected")
            assert anna.told("registered") == "registered 200"
            first = wait(place)
            assert (first["device"], first["transport"]) == ("anna-browser", "wss")
            wait(renewed, first["expires_at"])
            wait(place)
            anna.do("unregister")
            anna.told("unregistered")
            wait(nobody)

        await in_browser(web_node, story)


async def test_it_is_rung_and_where_it_cannot_be_spoken_to_the_call_is_led_on(web_node: Node) -> None:
    async with open_exchange(web_node, document()) as exchange, open_phones(["udp:127.0.0.1:0"]) as phones:
        boris, dmitri = (phones.add(account(exchange, name)) for name in ("boris-desk", "dmitri-desk"))
        await boris.registered()
        await dmitri.registered()

        async def given_up(call: Any) -> None:
            call.hang_up()
            await call.ended()

        def story(anna: BrowserPhone) -> None:
            anna.start("anna-browser", web_node)
            anna.told("registered")

            call = trio.from_thread.run_sync(dmitri.call, "101")
            assert anna.told("rings") == "rings for Dmitri"
            wait(given_up, call)
            anna.told("failed: Canceled")

            for choice in ("decline", "answer"):
                call = trio.from_thread.run_sync(dmitri.call, "101")
                anna.told("rings for Dmitri")
                anna.do(choice)
                wait(connected, boris, call)
                anna.told("failed: ")

        await in_browser(web_node, story)
        records = await exchange.records(3)
        trace = await exchange.get(f"calls/{records[0]['call']}/trace", lang="en")
        told = [sentence["text"] for sentence in trace["sentences"]]
        assert [line for line in told if "488" in line], told
        assert [record["cause"] for record in records] == ["caller_hung_up", "caller_hung_up", "abandoned"]


async def connected(boris: Phone, call: Any) -> None:
    """Boris is rung instead, picks up, and they speak."""
    answered = await boris.incoming.receive()
    answered.answer()
    assert await call.answered()
    call.hang_up()
    await call.ended()
    await answered.ended()


async def test_its_own_call_is_refused_with_the_reason(web_node: Node) -> None:
    def story(anna: BrowserPhone) -> None:
        anna.start("anna-browser", web_node)
        anna.told("registered")
        anna.do("call", "102")
        why = anna.told("failed")
        assert why.startswith("failed: Incompatible SDP (488 399 "), why
        assert "sound inside DTLS (as browsers send it) is not supported yet" in why

    async with open_exchange(web_node, document()) as exchange:
        await in_browser(web_node, story)
        assert (await exchange.get("calls"))["items"] == []


async def test_it_comes_back_by_itself_after_a_restart(web_node: Node) -> None:
    started, restart = trio.Event(), trio.Event()

    async def serve() -> None:
        async with open_exchange(web_node, document()):
            started.set()
            await restart.wait()
        async with open_exchange(web_node):
            await trio.sleep_forever()

    def story(anna: BrowserPhone) -> None:
        anna.start("anna-browser", web_node)
        anna.told("registered")
        trio.from_thread.run_sync(restart.set)
        anna.told("disconnected")
        anna.told("connected")
        anna.told("registered")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await started.wait()
        await in_browser(web_node, story)
        nursery.cancel_scope.cancel()


async def test_a_page_that_is_not_listed_stays_outside(web_node: Node) -> None:
    def story(anna: BrowserPhone) -> None:
        anna.start("anna-browser", web_node)
        anna.told("disconnected")
        anna.told("disconnected")
        assert all("403" in complaint for complaint in anna.complaints), anna.complaints

    async with open_exchange(web_node, document()) as exchange:
        await in_browser(web_node, story, "https://evil.example")
        assert (await exchange.get("registrations"))["items"] == []
