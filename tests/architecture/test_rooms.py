"""The rooms of the house keep their doors shut. import-linter checks layers; this checks what it cannot see."""

import ast
import re
import tomllib
from typing import Any

from tests.architecture.tree import ROOT, files, name_of

PURE_ROOMS = ("numbering", "dialplan", "forwarding", "statistics", "configuration", "explain")
NATIVE_DOOR = "orchestrator/devices/engine/"


def test_each_module_of_a_pure_room_has_its_unit_test() -> None:
    """A test of the same name, or one of the same room that imports it."""
    untested = []
    for room in PURE_ROOMS:
        tests = [path for path in files(".py") if name_of(path).startswith(f"tests/unit/{room}/test_")]
        tested = {module for test in tests for module in _imports(test.read_text())}
        for path in files(".py"):
            module = name_of(path).removesuffix(".py").replace("/", ".")
            if not name_of(path).startswith(f"orchestrator/{room}/") or path.name == "__init__.py":
                continue
            named_alike = any(test.name == f"test_{path.name}" for test in tests)
            if not named_alike and not any(f"{one}.".startswith(f"{module}.") for one in tested):
                untested.append(name_of(path))
    assert not untested


def test_every_room_has_its_place_in_the_layers() -> None:
    """A new folder must be put into the contracts of pyproject.toml, or nobody guards it."""
    contracts = _contracts()
    layers = " ".join(contracts["rooms"]["layers"])
    rooms = {
        path.parent.name
        for path in files(".py")
        if path.name == "__init__.py" and path.parent.parent == ROOT / "orchestrator"
    }
    assert {room for room in rooms if f"orchestrator.{room}" not in layers} == set()
    pure = {f"orchestrator.{room}" for room in rooms & {*PURE_ROOMS, "model"}}
    assert pure <= set(contracts["pure"]["source_modules"])


def test_one_door_leads_to_the_native_core() -> None:
    entering = [
        name_of(path)
        for path in files(".py")
        if name_of(path).startswith(("orchestrator/", "api/", "demo/"))
        and not name_of(path).startswith(NATIVE_DOOR)
        and "_rust_core" in {part for module in _imports(path.read_text()) for part in module.split(".")}
    ]
    assert not entering


def test_nobody_imports_asyncio() -> None:
    users = [
        name_of(path)
        for path in files(".py")
        if any(m.split(".")[0] == "asyncio" for m in _imports(path.read_text()))
    ]
    assert not users


def test_the_sans_io_crates_touch_no_socket_thread_or_clock() -> None:
    touch = re.compile(r"\bstd::(thread|fs|process)\b|\b(UdpSocket|TcpStream|TcpListener)\b|Instant::now")
    found = [
        f"{name_of(path)}:{number}"
        for path in files(".rs")
        if name_of(path).startswith(("rust_core/sip/src", "rust_core/media/src"))
        for number, line in enumerate(path.read_text().split("#[cfg(test)]")[0].splitlines(), 1)
        if touch.search(line.split("//")[0])
    ]
    assert not found


def test_only_the_bindings_know_python() -> None:
    users = [
        name_of(path) for path in files(".toml") if re.search(r"^pyo3\b", path.read_text(), re.MULTILINE)
    ]
    assert users == ["rust_core/bindings/Cargo.toml"]


def _imports(source: str) -> list[str]:
    """Every module that `source` imports, with the names taken from it."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return modules


def _contracts() -> dict[str, dict[str, Any]]:
    """The contracts of import-linter by their id."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return {contract["id"]: contract for contract in tools["importlinter"]["contracts"]}
