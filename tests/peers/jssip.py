"""JsSIP in a headless Chromium: a phone that speaks SIP over WebSocket, as a page of somebody's would be."""

import base64
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from playwright.sync_api import Page, sync_playwright

from tests.peers.company import password
from tests.peers.exchange import DOMAIN, Node

BROWSER = Path(__file__).with_name("browser")
ORIGIN = "https://phone.example"
WITHIN_MS = 15_000


@frozen
class BrowserPhone:
    """A page with a phone in it. Only for the thread that opened it."""

    page: Page
    complaints: list[str]
    """What the browser itself has said, such as why it could not connect."""

    def start(self, device: str, node: Node, *, expires_s: int = 600) -> None:
        """Connect, and register as this device."""
        options = {
            "url": f"wss://127.0.0.1:{node.wss_port}/ws",
            "user": device,
            "domain": DOMAIN,
            "password": password(device),
            "expires": expires_s,
        }
        self.page.evaluate("options => phone.start(options)", options)

    def do(self, what: str, *words: str) -> None:
        """Use the phone: "call" a number, "answer", "decline", "unregister"."""
        self.page.evaluate("([what, words]) => { phone[what](...words) }", [what, words])

    def told(self, beginning: str) -> str:
        """Wait until something has happened that begins so, and forget all that was before it."""
        find = "beginning => phone.told.findIndex(words => words.startsWith(beginning))"
        try:
            self.page.wait_for_function(f"beginning => ({find})(beginning) >= 0", arg=beginning)
        except Exception as error:
            raise AssertionError(f"no {beginning!r} in {self.page.evaluate('phone.told')}") from error
        at = self.page.evaluate(find, beginning)
        return str(self.page.evaluate("at => phone.told.splice(0, at + 1).at(-1)", at))


@contextmanager
def browser_phone(node: Node, origin: str = ORIGIN) -> Iterator[BrowserPhone]:
    """A phone on a page of this origin, in a browser that trusts the exchange's own certificate. Blocks."""
    assert node.identity is not None
    # To trust one key is the browser's own way for a certificate that no authority has signed.
    trust = f"--ignore-certificate-errors-spki-list={_key_hash(node.identity.certificate)}"
    # The page seems to come from the internet; nobody is there to let it reach this machine.
    local = "--disable-features=LocalNetworkAccessChecks"
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", trust, local, *fake]
        )
        page = browser.new_page()
        page.set_default_timeout(WITHIN_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.route("**/*", lambda route: route.fulfill(content_type="text/html", body="<title>phone</title>"))
        page.goto(f"{origin}/")
        for script in (BROWSER / "built/jssip.js", BROWSER / "phone.js"):
            page.add_script_tag(path=script)
        yield BrowserPhone(page, complaints)
        assert faults == []
        browser.close()


def _key_hash(certificate: Path) -> str:
    key = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"],
        check=True,
        capture_output=True,
        timeout=20,
    ).stdout
    der = base64.b64decode(b"".join(key.splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
