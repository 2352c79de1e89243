"""The live page in a real browser: a call that begins appears by itself, and hostile names stay text."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from playwright.sync_api import Page, sync_playwright

from orchestrator.devices.engine.phone import PhoneAccount, PhoneCall, open_phones
from tests.peers.company import company
from tests.peers.exchange import DOMAIN, Exchange, Node, open_exchange

HOSTILE = "<img src=x onerror=document.title='taken'>"
LOOKS = {
    "desk-ru-light": {"viewport": {"width": 1440, "height": 900}, "locale": "ru-RU", "color_scheme": "light"},
    "phone-en-dark": {"viewport": {"width": 390, "height": 844}, "locale": "en-US", "color_scheme": "dark"},
}
WORDS = {"desk-ru-light": ("разговор", "Короткий номер"), "phone-en-dark": ("talking", "A short number")}
TRUNKS = {
    "desk-ru-light": ["carrier по адресу", "lost отказано 503 the trunk's host has no address"],
    "phone-en-dark": ["carrier by address", "lost refused 503 the trunk's host has no address"],
}
WITHIN_MS = 10_000


@contextmanager
def opened(node: Node, look: str, *, may_complain: bool = False) -> Iterator[Page]:
    """The page, signed in."""
    complaints: list[str] = []
    key = (node.folder / "data" / "operator.key").read_text().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(**LOOKS[look])  # type: ignore[arg-type]  # as playwright takes them
        context.set_default_timeout(WITHIN_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.goto(f"http://127.0.0.1:{node.http_port}/")
        page.fill("#key", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#link[data-state=live]")
        yield page
        assert page.title() == "Tandem"
        browser.close()
    assert may_complain or complaints == []


def watch(
    node: Node,
    look: str,
    pictures: Path,
    begin: Callable[[], Awaitable[object]],
    end: Callable[[], Awaitable[object]],
) -> None:
    talking, short_number = WORDS[look]
    with opened(node, look) as page:
        page.wait_for_selector("#calls-empty:visible")
        page.locator("#trunks li", has_text=TRUNKS[look][1]).wait_for()
        assert page.locator("#trunks li").all_inner_texts() == TRUNKS[look]
        trio.from_thread.run(begin)
        row = page.locator("#calls tr", has_text=HOSTILE)
        row.get_by_text(talking).wait_for()
        assert row.locator("img").count() == 0
        page.screenshot(path=pictures / f"{look}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        trio.from_thread.run(end)
        row.wait_for(state="detached")
        record = page.locator("#records tr", has_text=HOSTILE).first
        record.get_by_role("button").click()
        page.locator("#story-lines li", has_text=short_number).wait_for()
        page.screenshot(path=pictures / f"{look}-story.png")
        page.keyboard.press("Escape")
        page.wait_for_selector("#story", state="hidden")
        before = page.locator("#records-title").inner_text()
        page.locator("#language").focus()
        page.keyboard.press("Enter")
        assert page.locator("#records-title").inner_text() != before
        page.click("#leave")
        page.wait_for_selector("#key:visible")
        assert page.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize("look", LOOKS)
async def test_a_call_appears_on_the_page_by_itself(exchange: Exchange, tmp_path: Path, look: str) -> None:
    document: dict[str, Any] = company()
    people = {person["id"]: person for person in document["people"]}
    people["anna"]["name"] = HOSTILE
    lost = {"id": "lost", "host": "nowhere.invalid", "caller_number": "+74951234500", "register": True}
    document["trunks"].append({**lost, "username": "u", "password": "p", "realm": "r"})
    await exchange.apply(document)
    calls: list[PhoneCall] = []
    with trio.fail_after(60):
        async with open_phones(["udp:127.0.0.1:0"]) as phones:
            anna, boris = (
                phones.add(
                    PhoneAccount(user=d["id"], password=d["password"], domain=DOMAIN, port=exchange.port)
                )
                for d in (people[name]["devices"][0] for name in ("anna", "boris"))
            )
            await anna.registered()
            await boris.registered()

            async def begin() -> None:
                calls.append(anna.call(people["boris"]["extension"]))
                (await boris.incoming.receive()).answer()

            async def end() -> None:
                calls[-1].hang_up()

            await trio.to_thread.run_sync(watch, exchange.node, look, tmp_path, begin, end)


async def test_a_page_finds_its_exchange_again(node: Node) -> None:
    started = trio.Event()
    restart = trio.Event()

    async def serve() -> None:
        async with open_exchange(node, company()):
            started.set()
            await restart.wait()
        async with open_exchange(node):
            await trio.sleep_forever()

    def look() -> None:
        with opened(node, "desk-ru-light", may_complain=True) as page:
            trio.from_thread.run_sync(restart.set)
            page.wait_for_selector("#link[data-state=lost]")
            page.wait_for_selector("#link[data-state=live]")

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await started.wait()
            await trio.to_thread.run_sync(look)
            nursery.cancel_scope.cancel()
