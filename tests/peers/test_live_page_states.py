"""The live page in a real browser, before an exchange in memory: what it says when something is wrong or absent."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from attrs import define, field
from playwright.sync_api import Page, sync_playwright

from api.counters import HttpCounters
from api.server import serve_http
from orchestrator.model import journal as j
from orchestrator.model.access import SCOPES
from orchestrator.model.calls import Direction, EndCause, Who
from orchestrator.model.identifiers import CallId, CompanyId, LegId, TrunkId
from orchestrator.model.registrations import Standing, TrunkState
from tests.unit.api.conftest import DEMO, app_of, company
from tests.unit.api.fake_exchange import FakeExchange

CALL = CallId("01900000-0000-7000-8000-00000000ca11")
WITHIN_MS = 10_000
LANGUAGES = pytest.mark.parametrize("language", ["en", "ru"])


@define
class Site:
    """An exchange in memory and its web server, which may be stopped and started again."""

    fake: FakeExchange
    nursery: trio.Nursery
    port: int = 0
    serving: trio.CancelScope = field(factory=trio.CancelScope)
    stopped: trio.Event = field(factory=trio.Event)

    async def start(self) -> None:
        [url] = await self.nursery.start(self._serve)
        self.port = int(url.rpartition(":")[2])

    async def stop(self) -> None:
        self.serving.cancel()
        await self.stopped.wait()

    async def _serve(self, *, task_status: trio.TaskStatus[list[str]]) -> None:
        self.stopped = trio.Event()
        with trio.CancelScope() as self.serving:
            listen = [f"127.0.0.1:{self.port}"]
            await serve_http(app_of(self.fake), listen, HttpCounters(), task_status=task_status)
        self.stopped.set()

    async def key(self, at: CompanyId | None, scopes: frozenset[str] = SCOPES) -> str:
        return (await self.fake.create_key(company=at, name="page", scopes=scopes))[1]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with trio.open_nursery() as nursery:
        made = Site(FakeExchange(), nursery)
        await made.start()
        yield made
        nursery.cancel_scope.cancel()


async def in_browser(
    site: Site, look: Callable[[Page], None], language: str = "en", width: int = 1440
) -> None:
    """Look at the page from another thread, while the exchange runs in this one."""

    def run() -> None:
        with opened(site.port, language) as page:
            look(page)

    with trio.fail_after(60):
        await trio.to_thread.run_sync(run)


@contextmanager
def opened(port: int, language: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(locale=language, viewport={"width": 1440, "height": 700})
        page.set_default_timeout(WITHIN_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/")
        yield page
        assert faults == []
        browser.close()


def sign_in(page: Page, key: str) -> None:
    page.fill("#key", key)
    page.keyboard.press("Enter")


async def a_call(site: Site, *, is_over: bool = True) -> None:
    await site.fake.apply(company("demo"), by="test")
    who = Who(number="+79161234567", name="Очень-длинное-имя-без-пробелов-и-конца" * 2)
    site.fake.write(DEMO, j.CallArrived(CALL, LegId(1), Direction.INBOUND, who, "+74951234501"))
    site.fake.write(DEMO, j.CallRouted(CALL, "person:anna", "number"))
    if is_over:
        site.fake.write(DEMO, j.CallEnded(CALL, EndCause.NOT_REACHED, 9_000, 0))


@LANGUAGES
async def test_the_door_says_why_it_stays_shut(site: Site, language: str) -> None:
    expired = (await site.fake.create_key(company=None, name="x", scopes=SCOPES, expires_at=site.fake.now))[1]
    said = {
        "en": ["not known", "not known", "has expired", "tandem apply", "belongs to no company"],
        "ru": ["ключа нет", "ключа нет", "истёк", "tandem apply", "не принадлежит компании"],
    }

    async def two_companies() -> None:
        for name in ("demo", "other"):
            await site.fake.apply(company(name), by="test")

    operator, listener = await site.key(None), await site.key(None, frozenset({"calls.read"}))

    def look(page: Page) -> None:
        for key, words in zip(["wrong", "ключ", expired, operator, listener], said[language], strict=True):
            if key == listener:
                trio.from_thread.run(two_companies)
            sign_in(page, key)
            page.locator("#door-error", has_text=words).wait_for()
            assert page.evaluate("document.activeElement.id") == "key"
        trio.from_thread.run(site.stop)
        sign_in(page, operator)
        page.locator(
            "#door-error", has_text={"en": "does not answer", "ru": "не отвечает"}[language]
        ).wait_for()

    await in_browser(site, look, language)


async def test_a_key_of_several_companies_chooses_one(site: Site) -> None:
    for name in ("demo", "other"):
        await site.fake.apply(company(name), by="test")
    key = await site.key(None)

    def look(page: Page) -> None:
        sign_in(page, key)
        page.select_option("#door-company", "other")
        page.click("#door-form button")
        page.wait_for_selector("#link[data-state=live]")
        assert page.inner_text("#company") == "Other"
        assert page.evaluate("document.activeElement.id") == "board-title"

    await in_browser(site, look)


@LANGUAGES
async def test_what_is_old_says_so_and_since_when(site: Site, language: str) -> None:
    await a_call(site, is_over=False)
    key = await site.key(DEMO)

    def look(page: Page) -> None:
        sign_in(page, key)
        page.wait_for_selector("#link[data-state=live]")
        page.wait_for_selector("#board:not(.stale)")
        trio.from_thread.run(site.stop)
        page.wait_for_selector("#link[data-state=lost]")
        page.wait_for_selector("#board.stale")
        words = page.inner_text("#link")
        assert {"en": "no connection since ", "ru": "нет связи с "}[language] in words
        assert any(part.isdigit() for part in words)
        page.locator("#news", has_text={"en": "no connection", "ru": "нет связи"}[language]).wait_for(
            state="attached"
        )
        assert page.locator("#records td[data-label]").all_inner_texts() == ["—", "—"]
        lasted = page.inner_text("#calls time.ticking")
        page.locator("#records button").first.click()
        page.locator("#story-note", has_text={"en": "not answer", "ru": "не отвечает"}[language]).wait_for()
        page.keyboard.press("Escape")
        page.wait_for_timeout(1_200)
        assert page.inner_text("#calls time.ticking") == lasted
        assert page.inner_text("#link") == words
        trio.from_thread.run(site.start)
        page.wait_for_selector("#link[data-state=live]")
        page.wait_for_selector("#board:not(.stale)")

    await in_browser(site, look, language)


@LANGUAGES
async def test_everything_is_in_words_and_fits(site: Site, language: str) -> None:
    await a_call(site)
    key = await site.key(DEMO)

    def look(page: Page) -> None:
        sign_in(page, key)
        result = {"en": "not reached", "ru": "не дозвонился"}[language]
        page.locator("#records .result", has_text=result).wait_for()
        assert page.get_attribute("#language", "lang") == ("ru" if language == "en" else "en")
        for width in (320, 800, 801, 1000, 1440):
            page.set_viewport_size({"width": width, "height": 700})
            button = page.locator("#records button")
            box = button.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width, width
            button.click()
            page.locator("#story-lines li").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            page.keyboard.press("Escape")
            page.wait_for_selector("#story", state="hidden")
            assert page.evaluate("document.activeElement.closest('#records tr') !== null")

    await in_browser(site, look, language)


async def test_how_a_trunk_stands_changes_by_itself(site: Site) -> None:
    await a_call(site)
    key, carrier = await site.key(DEMO), TrunkId("carrier")
    site.fake.trunks = [TrunkState(DEMO, carrier, Standing.REFUSED, 403, "Forbidden")]

    def look(page: Page) -> None:
        sign_in(page, key)
        page.locator("#trunks li", has_text="refused").get_by_text("403 Forbidden").wait_for()
        site.fake.trunks = [TrunkState(DEMO, carrier, Standing.REGISTERED, 200, "OK")]
        changed = j.TrunkChanged(carrier, registered=True, status=200, reason="OK")
        trio.from_thread.run_sync(site.fake.write, DEMO, changed)
        page.locator("#trunks li", has_text="registered").wait_for()
        assert page.locator("#trunks small").inner_text() == ""

    await in_browser(site, look)


async def test_nothing_is_left_for_whoever_signs_in_next(site: Site) -> None:
    await a_call(site)
    await site.fake.apply(company("other"), by="test")
    full = await site.key(DEMO)
    site.fake.trunks = [TrunkState(DEMO, TrunkId("carrier"), Standing.REGISTERED, 200, "OK")]
    poor = await site.key(CompanyId("other"), frozenset({"calls.read", "directory.read"}))

    def look(page: Page) -> None:
        sign_in(page, full)
        page.locator("#records tr").first.wait_for()
        page.locator("#trunks li").wait_for()
        page.click("#leave")
        page.wait_for_selector("#key:visible")
        assert page.evaluate("document.activeElement.id") == "key"
        assert (
            page.locator("#board").evaluate("board => board.querySelectorAll('tbody tr, li, dt').length") == 0
        )
        sign_in(page, poor)
        page.locator("#records-empty", has_text="may not see").wait_for()
        page.wait_for_selector("#link[data-state=polling]")
        assert page.locator("#records tr").count() == 0
        page.click("#language")
        page.locator("#records-empty", has_text="не даёт права").wait_for()

    await in_browser(site, look)


async def test_a_key_that_is_revoked_leads_to_the_door(site: Site) -> None:
    await a_call(site)
    view, key = await site.fake.create_key(company=DEMO, name="x", scopes=SCOPES)

    def look(page: Page) -> None:
        sign_in(page, key)
        page.wait_for_selector("#link[data-state=live]")
        trio.from_thread.run(site.fake.revoke_key, view.id)
        trio.from_thread.run(site.stop)
        trio.from_thread.run(site.start)
        page.locator("#door-error", has_text="not known").wait_for()

    await in_browser(site, look)
