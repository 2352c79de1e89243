"""A test names the phones that it wants; a program that is missing fails it, and says how to get it."""

import shutil
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.peers.company import company
from tests.peers.exchange import Exchange, Node, new_node, open_exchange

PROGRAMS = {
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "sipsak": "sipsak",
    "sngrep": "sngrep",
    "chromium": "chromium",
}
BROWSER = Path(__file__).with_name("browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.peers)


@pytest.fixture(scope="session", autouse=True)
def _peers_are_installed() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        pytest.fail(f"missing Debian packages: {' '.join(missing)} (scripts/setup test installs them)")
    if not (BROWSER / "built/jssip.js").exists():
        pytest.fail("missing JsSIP for the browser (scripts/setup test installs it)")
    if find_spec("pjsua2") is None:
        pytest.fail("missing Python package: pjsua2-python, which exists for Python 3.11 and 3.12 only")
    if find_spec("sipvicious") is None:
        pytest.fail("missing Python package: sipvicious (scripts/setup test installs it)")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Where this test's exchange lives."""
    folder = tmp_path / "node"
    folder.mkdir()
    return new_node(folder)


@pytest.fixture
async def exchange(node: Node) -> AsyncIterator[Exchange]:
    """A running exchange with the company of these tests."""
    async with open_exchange(node, company()) as running_exchange:
        yield running_exchange
