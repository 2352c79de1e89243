from datetime import timedelta

import pytest
from msgspec.structs import replace

from orchestrator.devices.store.bindings import Bindings
from orchestrator.devices.store.database import Database
from orchestrator.model.errors import ResourceError
from orchestrator.model.identifiers import CompanyId, DeviceId
from orchestrator.model.registrations import Registration
from tests.unit.devices.conftest import SetClock

DEMO, DESK = CompanyId("demo"), DeviceId("desk")


def registration(
    set_clock: SetClock, contact: str = "sip:desk@192.0.2.1", device: DeviceId = DESK
) -> Registration:
    expires_at = set_clock.at + timedelta(hours=1)
    path, instance = ("<sip:edge;lr>",), "<urn:uuid:1> 1"
    source = "192.0.2.1:5060"
    return Registration(
        DEMO, device, contact, source, "udp", expires_at, "id", 7, "Phone", path, instance=instance
    )


async def test_registrations_are_there_after_a_restart(database: Database, set_clock: SetClock) -> None:
    kept = Bindings(database)
    first, second = registration(set_clock), registration(set_clock, "sip:desk@192.0.2.2")
    kept.set(DEMO, DESK, [first, second])
    kept.set(DEMO, DeviceId("soft"), [registration(set_clock, device=DeviceId("soft"))])
    await kept.flush()
    assert (await Bindings(database).load())[:2] == [first, second]
    kept.set(DEMO, DESK, [second])
    kept.set(DEMO, DeviceId("soft"), [])
    await kept.flush()
    assert await Bindings(database).load() == [second]


async def test_while_the_database_is_away_changes_wait(
    database: Database, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Bindings(database)
    kept.set(DEMO, DESK, [registration(set_clock)])

    async def away(self: Database, work: object) -> None:
        raise ResourceError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        await kept.flush()
    assert await kept.load() == []
    await kept.flush()
    assert await kept.load() == [registration(set_clock)]


async def test_of_many_that_last_longer_only_the_time_is_written_and_what_changes_meanwhile_counts(
    database: Database, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Bindings(database)
    devices = [DeviceId(f"desk-{number}") for number in range(300)]
    before = {device: registration(set_clock, device=device) for device in devices}
    longer = {
        device: replace(one, expires_at=one.expires_at + timedelta(minutes=5), cseq=9)
        for device, one in before.items()
    }
    for device in devices:
        kept.set(DEMO, device, [before[device]])
    kept.extend(DEMO, devices[0], [longer[devices[0]]])
    await kept.flush()
    for device in devices[1:]:
        kept.extend(DEMO, device, [longer[device]])
    moved = registration(set_clock, "sip:desk@192.0.2.9", devices[1])
    kept.set(DEMO, devices[1], [moved])

    async def away(self: Database, work: object) -> None:
        raise ResourceError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        await kept.flush()
    kept.set(DEMO, devices[2], [])
    await kept.flush()
    now = {one.device: one for one in await Bindings(database).load()}
    assert now.pop(devices[0]) == longer[devices[0]]
    assert now.pop(devices[1]) == moved
    assert now == {device: replace(longer[device], cseq=7) for device in devices[3:]}
