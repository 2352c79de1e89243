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
    counted: Mapping[str, int] = field(factory=dict)

    def set_accounts(self, accounts: object, *, emergency_numbers: Mapping[str, Sequence[str]]) -> None:
        self.emergency_numbers = emergency_numbers

    def counters(self) -> Mapping[str, int]:
        return self.counted

    def set_trunks(self, trunks: object) -> None:
        pass


def switch_on(engine: Pushed) -> EngineSwitch:
    unused = cast(Any, None)
    return EngineSwitch(cast(core.Engine, engine), unused, unused, unused)


def test_the_engine_learns_the_emergency_numbers_of_each_company() -> None:
    engine = Pushed()
    switch = switch_on(engine)
    switch.configure(
        directory_of(
            Company(
                CompanyId(name), name, f"{name}.example", Announcement(PromptName("bye")), emergency_numbers=n
            )
        )
        for name, n in (("acme", ("112", "101")), ("quiet", ()))
    )
    assert engine.emergency_numbers == {"acme": ("112", "101"), "quiet": ()}


def test_a_fault_that_is_over_is_none_and_a_thread_that_stands_still_is_named() -> None:
    assert switch_on(Pushed(counted={"thread_panics": 3, "sip_thread_silent_ms": 900})).fault() == ""
    assert "SIP thread" in switch_on(Pushed(counted={"sip_thread_silent_ms": 3_001})).fault()
