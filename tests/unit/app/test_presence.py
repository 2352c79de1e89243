from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog.testing
from attrs import define, field
from msgspec.structs import replace

from orchestrator.app.presence import Presence
from orchestrator.devices.engine.switch import RegistrationNews
from orchestrator.devices.store.bindings import Bindings
from orchestrator.devices.store.database import open_database
from orchestrator.model.identifiers import BindingId, CompanyId, DeviceId, TrunkId
from orchestrator.model.journal import DeviceRegistered, DeviceUnregistered, Entry, TrunkChanged
from orchestrator.model.registrations import Registration, Standing, TrunkState

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DEMO, DESK, SOFT = CompanyId("demo"), DeviceId("desk"), DeviceId("soft")


@define
class Written:
    """A journal that only remembers."""

    entries: list[Entry] = field(factory=list)
    accepting: bool = True

    def write(self, company: CompanyId, entry: Entry) -> None:
        self.entries.append(entry)

    async def durable(self) -> None:
        pass


class Midnight:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def written() -> Written:
    return Written()


def at(source: str, expires_in_s: float = 60, binding: int = 1) -> Registration:
    return Registration(
        DEMO,
        DESK,
        f"sip:desk@{source}",
        source,
        "udp",
        NOW + timedelta(seconds=expires_in_s),
        "id",
        1,
        "Phone",
        binding=BindingId(binding),
    )


def news(*registrations: Registration, why: str = "registered") -> RegistrationNews:
    return RegistrationNews(DEMO, DESK, registrations, why)


def test_only_what_is_new_is_told(tmp_path: Path, written: Written) -> None:
    database = open_database(f"sqlite:///{tmp_path}/t.db")
    presence = Presence(Bindings(database), written, Midnight())
    home, away = at("192.0.2.1:5060"), at("198.51.100.9:5060", binding=2)
    presence.handle_registered(news(home))
    presence.handle_registered(news(at("192.0.2.1:5062", 120)))
    presence.handle_registered(news(home, away))
    presence.handle_registered(news(away, why="expired"))
    assert presence.registrations(DEMO) == [away]
    presence.handle_registered(news(why="unregistered"))
    presence.handle_registered(news(why="unregistered"))
    assert written.entries == [
        DeviceRegistered(DESK, home.source, "udp", "Phone"),
        DeviceRegistered(DESK, away.source, "udp", "Phone"),
        DeviceUnregistered(DESK, "unregistered"),
    ]
    assert presence.registrations(DEMO) == []
    database.close()


def test_ever_new_ports_and_contacts_of_one_phone_are_told_once(tmp_path: Path, written: Written) -> None:
    database = open_database(f"sqlite:///{tmp_path}/t.db")
    presence = Presence(Bindings(database), written, Midnight())
    for port in range(1024, 1124):
        presence.handle_registered(news(at(f"192.0.2.1:{port}"), at(f"192.0.2.1:{port + 1}", binding=2)))
    presence.handle_registered(news(replace(at("192.0.2.1:5060"), user_agent="Other")))
    told = [entry.user_agent for entry in written.entries if isinstance(entry, DeviceRegistered)]
    assert told == ["Phone", "Other"]
    assert len(written.entries) == 2
    assert len(presence.registrations(DEMO)) == 1
    database.close()


async def test_a_refresh_is_no_news_and_is_there_after_a_restart(tmp_path: Path, written: Written) -> None:
    database = open_database(f"sqlite:///{tmp_path}/t.db")
    bindings = Bindings(database)
    presence = Presence(bindings, written, Midnight())
    home, away = at("192.0.2.1:5060", 600), at("198.51.100.9:5060", 5, binding=2)
    presence.handle_registered(news(home, away))
    await bindings.flush()
    told = written.entries.copy()
    later = NOW + timedelta(seconds=300)
    presence.handle_refreshed([(BindingId(2), later)])
    assert [one.expires_at for one in presence.registrations(DEMO)] == [home.expires_at, later]
    await bindings.flush()
    restored = await Presence(Bindings(database), written, Midnight()).load()
    assert [(one.source, one.expires_at) for one in restored] == [
        (home.source, home.expires_at),
        (away.source, later),
    ]
    assert written.entries == told
    database.close()


async def test_a_restart_is_no_news_but_what_expired_meanwhile_is(tmp_path: Path, written: Written) -> None:
    database = open_database(f"sqlite:///{tmp_path}/t.db")
    bindings = Bindings(database)
    bindings.set(DEMO, DESK, [at("192.0.2.1:5060")])
    bindings.set(DEMO, SOFT, [replace(at("192.0.2.2:5060", -1), device=SOFT)])
    await bindings.flush()
    presence = Presence(Bindings(database), written, Midnight())
    restored = await presence.load()
    assert [one.source for one in restored] == ["192.0.2.1:5060"]
    presence.handle_registered(news(at("192.0.2.1:5060")))
    assert written.entries == [DeviceUnregistered(SOFT, "expired")]
    database.close()


def test_a_trunk_is_news_and_in_the_log_when_it_stands_otherwise(written: Written) -> None:
    presence = Presence(bindings=None, journal=written, clock=Midnight())  # type: ignore[arg-type] # trunks are not stored
    carrier = TrunkId("carrier")
    assert presence.trunk(DEMO, carrier, registers=True).state is Standing.REGISTERING
    refused = TrunkState(DEMO, carrier, Standing.REFUSED, 403, "Forbidden")
    with structlog.testing.capture_logs() as log:
        presence.handle_trunk(refused)
        assert presence.trunk(DEMO, carrier, registers=True) == refused
        presence.handle_trunk(TrunkState(DEMO, carrier, Standing.REGISTERING))
        presence.handle_trunk(TrunkState(DEMO, carrier, Standing.REGISTERED, 200, "OK"))
    assert written.entries == [
        TrunkChanged(carrier, False, 403, "Forbidden"),
        TrunkChanged(carrier, True, 200, "OK"),
    ]
    assert presence.trunk(DEMO, carrier, registers=True).state is Standing.REGISTERED
    assert presence.trunk(DEMO, carrier, registers=False).state is Standing.BY_ADDRESS
    assert [(line["log_level"], line["event"]) for line in log] == [
        ("warning", "trunk_refused"),
        ("info", "trunk_registering"),
        ("info", "trunk_registered"),
    ]
    assert (log[0]["trunk"], log[0]["status"], log[0]["reason"]) == ("carrier", 403, "Forbidden")
