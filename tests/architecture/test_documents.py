"""What the documents show can be done: keys of a company, commands, files."""

import ast
import re
import shlex
from typing import Any

import pytest
import typer
import yaml

from orchestrator.cli.main import app
from orchestrator.configuration.document import Surroundings
from orchestrator.configuration.planning import plan_document
from orchestrator.model.calls import Refusal
from tests.architecture.tree import ROOT, files, name_of

README = (ROOT / "README.md").read_text()

READERS = {
    "Company": ("read_company", "fields"),
    "Outside": ("read_outside", "outside"),
    "Class of service": ("_service", "service"),
    "Ceiling": ("read_ceiling", "ceiling"),
    "Site": ("read_site", "fields"),
    "Trunk": ("read_trunk", "fields"),
    "Host": ("_hosts", "inner"),
    "Numbers of a trunk": ("_rule", "fields"),
    "Person": ("read_person", "fields"),
    "Device": ("_device", "fields"),
    "Number": ("read_number", "fields"),
    "Destination": ("_destination", "fields"),
}
NO_READS = {"wrong", "has", "is_list", "finish"}


def test_every_key_of_a_company_has_its_row() -> None:
    read = {section: _keys_read(*reader) for section, reader in READERS.items()}
    read["Company"] |= {"sites", "trunks", "people", "numbers"}
    secrets = _keys_read("_secret", "fields")
    host = _keys_read("_host", "fields")
    read["Host"] |= host
    read["Trunk"] |= secrets | host | _keys_read("_hosts", "fields")
    read["Device"] |= secrets
    read["Next"] = {refusal.value for refusal in Refusal}
    assert _keys_told() == read


def _keys_read(function: str, fields: str) -> set[str]:
    """Every key that a function of `configuration` asks `fields` for."""
    sources = [
        (ROOT / f"orchestrator/configuration/{name}.py").read_text()
        for name in ("reading", "outside", "spelling")
    ]
    nodes = [node for source in sources for node in ast.parse(source).body]
    [body] = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == function]
    return {
        call.args[0].value
        for call in ast.walk(body)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == fields
        and call.func.attr not in NO_READS
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def _keys_told() -> dict[str, set[str]]:
    """The first column of each table, by its heading."""
    told: dict[str, set[str]] = {}
    text = (ROOT / "docs/company.md").read_text()
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
        told[section.split("\n", 1)[0]] = {key for row in rows for key in re.findall(r"`([a-z0-9_]+)`", row)}
    return told


def test_the_company_of_the_readme_is_whole_and_its_trunk_can_be_exchanged() -> None:
    company, *trunks = (yaml.safe_load(block) for block in _blocks(README, "yaml"))
    around = Surroundings(prompts=lambda _, language: _packaged(language))
    made = plan_document(company, None, around)
    assert {key for key in made.plan.put if key[0] != "company"} == {
        ("trunk", "carrier"),
        ("person", "anna"),
        ("person", "boris"),
        ("number", "+74951234500"),
    }
    assert trunks
    for trunk in trunks:
        changed = plan_document({**company, **trunk}, made.after, around)
        assert {*changed.plan.put} == {("trunk", "carrier")}


@pytest.mark.parametrize("document", ["README.md", "docs/operating.md", "deploy/tandem.service"])
def test_every_command_shown_has_its_words(document: str) -> None:
    """Sub-commands and flags; arguments and values are the reader's."""
    text = (ROOT / document).read_text()
    shown = re.findall(r"(?:^|`|=|sudo |bin/)tandem ([a-z][^`#\n]*)", text, re.MULTILINE)
    assert shown
    for words in map(shlex.split, shown):
        command: Any = typer.main.get_command(app)
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, f"{document}: tandem {words[0]}"
            command = command.commands[words.pop(0)]
        known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, f"{document}: {words}"


def test_the_files_of_the_readme_are_there() -> None:
    for named in re.findall(r"--play (\S+)", README):
        assert (ROOT / named).is_file()


def test_the_map_names_every_folder() -> None:
    rows = "\n".join(re.findall(r"^\| (`[^|]+) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    told = {
        before + name
        for before, names in re.findall(r"`([a-z_/]*)\{?([a-z_,.]+)\}?`", rows)
        for name in names.split(",")
    }
    tracked = [name_of(path).split("/") for path in files()]
    folders = {
        "/".join(parts[:2]) if parts[0] in ("orchestrator", "rust_core") else parts[0]
        for parts in tracked
        if len(parts) > (2 if parts[0] in ("orchestrator", "rust_core") else 1)
    }
    assert {folder for folder in folders if not folder.startswith(".")} <= told


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _packaged(language: str) -> frozenset[str]:
    return frozenset(file.stem for file in (ROOT / "orchestrator/prompts" / language).glob("*.wav"))
