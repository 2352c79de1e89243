from collections.abc import Mapping, Sequence
from typing import Any, cast

from attrs import define, field

from orchestrator import _rust_core as core
from orchestrator.devices.engine.switch import EngineSwitch
from orchestrator.model.directory import Announcement, Company
from orchestrator.model.identifiers import CompanyId, PromptName
from orchestrator.numbering.directory import directory_of


@define
class Pushed:
    """An engine that keeps the tables it is given."""

    emergency_numbers: Mapping[str, Sequence[str]] = field(factory=dict)

    def set_accounts(self, accounts: object, *, emergency_numbers: Mapping[str, Sequence[str]]) -> None:
        self.emergency_numbers = emergency_numbers

    def set_trunks(self, trunks: object) -> None:
        pass


def test_the_engine_learns_the_emergency_numbers_of_each_company() -> None:
    engine, unused = Pushed(), cast(Any, None)
    switch = EngineSwitch(cast(core.Engine, engine), unused, unused, unused)
    switch.configure(
        directory_of(
            Company(
                CompanyId(name), name, f"{name}.example", Announcement(PromptName("bye")), emergency_numbers=n
            )
        )
        for name, n in (("acme", ("112", "101")), ("quiet", ()))
    )
    assert engine.emergency_numbers == {"acme": ("112", "101"), "quiet": ()}
