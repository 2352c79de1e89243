"""The documentation page in a real browser: all is described, links lead somewhere, examples can be pasted."""

from playwright.sync_api import Page

from tests.peers.test_live_page_states import Site, in_browser, site
from tests.unit.api.conftest import built

__all__ = ["site"]


async def test_everything_is_described_and_fits(site: Site) -> None:
    document = built()[0].openapi()
    operations = [o for methods in document["paths"].values() for o in methods.values()]

    def look(page: Page) -> None:
        page.goto(f"http://127.0.0.1:{site.port}/docs")
        page.wait_for_selector("#putPerson")
        for operation in operations:
            assert page.locator(f"#{operation['operationId']} pre").count() == len(operation["x-codeSamples"])
        for name, schema in document["components"]["schemas"].items():
            described = page.locator(f"#type-{name}")
            assert described.locator("tr").count() == len(schema.get("properties", ()))
            for value in schema.get("enum", ()):
                assert f'"{value}"' in described.inner_text()
        dead = "links => links.filter(a => !document.getElementById(a.hash.slice(1))).map(a => a.hash)"
        assert page.locator("#main a").evaluate_all(dead) == []
        text = page.locator("#deletePerson pre").inner_text()
        assert f"http://127.0.0.1:{site.port}/api/v1/people/" in text
        assert "If-Match: $ETAG" in text
        assert "$TANDEM_URL" not in page.inner_text("#main")
        for width in (320, 860, 1440):
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") == width

    await in_browser(site, look)
