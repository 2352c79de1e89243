"""A fault of ours, a full disk or the end of the exchange: every call ends once, and only those concerned."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from orchestrator.flows.serve import serve
from orchestrator.model.calls import EndCause, FromDevice
from orchestrator.model.directory import RingStrategy
from orchestrator.model.identifiers import CompanyId, DeviceId
from orchestrator.model.journal import CallAnswered, CallEnded, CommandFailed
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, open_office, person, sip

ANNA = person("anna", "101", sip("one"), sip("two"), strategy=RingStrategy.PARALLEL)
BORIS = person("boris", "102")


class Bug(Exception):
    pass


async def test_a_fault_ends_its_call_with_500(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_office(acme(ANNA, BORIS)) as office:
        start = office.switch.start

        def faulty(*args: object) -> object:
            if len(office.switch.dialled) == 2:
                raise Bug("in the middle of ringing")
            return start(*args)  # type: ignore[arg-type]  # passed on as they are

        monkeypatch.setattr(type(office.switch), "start", lambda _, *args: faulty(*args))
        office.online("one")
        office.online("two")
        office.online("boris-desk", Phone(after_s=1))
        office.call("102", talks_s=30)
        await trio.sleep(2)
        with capture_logs() as logs:
            crashed = office.call("101")
            await trio.sleep(1)
        assert crashed.rejected_with == 500
        await office.all_over()
    assert [ended.cause for ended in office.journal.of(CallEnded)] == [
        EndCause.CRASHED,
        EndCause.CALLER_HUNG_UP,
    ]
    assert office.journal.of(CallEnded)[1].talk_ms == 30_000
    assert office.world.active.crashed == 1
    assert [log["event"] for log in logs] == ["call_crashed"]


async def test_the_end_of_the_exchange_ends_every_call_once(autojump_clock: MockClock) -> None:
    async with open_office(acme(ANNA, BORIS)) as office:
        office.online("boris-desk", Phone(after_s=5))
        ringing = office.call("102")
        await trio.sleep(2)
        office.originate("boris", "199")
        await trio.sleep(1)
    office.check_nothing_is_left()
    assert {ended.cause for ended in office.journal.of(CallEnded)} == {EndCause.SHUTDOWN}
    assert ringing.rejected_with == 503
    assert office.only(CommandFailed).code == "shutdown"


async def test_no_call_begins_that_could_not_be_remembered(autojump_clock: MockClock) -> None:
    async with open_office(acme(BORIS)) as office:
        office.journal.accepting = False
        caller = office.call("102")
        await office.all_over()
        assert caller.rejected_with == 503
        assert office.journal.entries == []
        office.journal.accepting = True
        office.online("boris-desk")
        office.call("102")
        await office.all_over()
    assert len(office.journal.of(CallAnswered)) == 1


async def test_a_call_for_a_company_that_is_gone(autojump_clock: MockClock) -> None:
    async with open_office(acme(BORIS)) as office:
        arrival = office.switch.arrive(CompanyId("gone"), FromDevice(DeviceId("desk")), "102")
        await serve(office.world, arrival)
        assert office.switch.refused[arrival.leg] == 404


async def test_a_device_that_is_nobodys_may_not_call(autojump_clock: MockClock) -> None:
    async with open_office(acme(BORIS)) as office:
        office.online("boris-desk")
        caller = office.call("102", device="stranger")
        await office.all_over()
    assert caller.rejected_with == 403
    assert office.rung == []


async def test_a_fault_before_the_call_is_opened_refuses_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_office(acme(BORIS)) as office:
        monkeypatch.setattr("orchestrator.flows.serve.route", lambda *_: 1 / 0)
        with capture_logs():
            caller = office.call("102")
            await office.all_over()
    assert caller.rejected_with == 500
    assert office.world.active.crashed == 1
