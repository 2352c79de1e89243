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
from orchestrator.model.directory import Trunk, TrunkHost
from orchestrator.model.identifiers import E164, BindingId, CompanyId, DeviceId, TrunkId
from orchestrator.model.journal import (
    DeviceRegistered,
    DeviceUnregistered,
    Entry,
    TrunkChanged,
    TrunkServerChanged,
)
from orchestrator.model.registrations import Answering, Registration, Standing, TrunkServer, TrunkState

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


CARRIER = TrunkId("carrier")


def carrier(*, register: bool = True, host: str = "a.example") -> Trunk:
    return Trunk(CARRIER, (TrunkHost(host), TrunkHost("b.example")), E164("+7495"), register=register)


def servers(first: Answering, second: Answering, home: str = "") -> tuple[TrunkServer, ...]:
    at = {"a.example": ("192.0.2.1:5060", first), "b.example": ("192.0.2.2:5060", second)}
    return tuple(TrunkServer(host, *told, registered=host == home) for host, told in at.items())


@pytest.fixture
def trunks(written: Written) -> Presence:
    return Presence(bindings=None, journal=written, clock=Midnight())  # type: ignore[arg-type] # trunks are not stored


def test_a_trunk_is_news_and_in_the_log_when_it_stands_otherwise(trunks: Presence, written: Written) -> None:
    assert trunks.trunk(DEMO, carrier()).state is Standing.REGISTERING
    refused = TrunkState(DEMO, CARRIER, Standing.REFUSED, 403, "Forbidden")
    with structlog.testing.capture_logs() as log:
        trunks.handle_trunk(refused)
        assert trunks.trunk(DEMO, carrier()) == refused
        trunks.handle_trunk(TrunkState(DEMO, CARRIER, Standing.REGISTERING))
        trunks.handle_trunk(TrunkState(DEMO, CARRIER, Standing.REGISTERED, 200, "OK"))
    assert written.entries == [
        TrunkChanged(CARRIER, False, 403, "Forbidden"),
        TrunkChanged(CARRIER, True, 200, "OK"),
    ]
    assert trunks.trunk(DEMO, carrier()).state is Standing.REGISTERED
    assert trunks.trunk(DEMO, carrier(register=False)).state is Standing.BY_ADDRESS
    assert [(line["log_level"], line["event"]) for line in log] == [
        ("warning", "trunk_refused"),
        ("info", "trunk_registering"),
        ("info", "trunk_registered"),
    ]
    assert (log[0]["trunk"], log[0]["status"], log[0]["reason"]) == ("carrier", 403, "Forbidden")


def test_a_registration_with_another_server_is_news(trunks: Presence, written: Written) -> None:
    up = Answering.UNKNOWN
    for home in ("a.example", "b.example", "b.example"):
        told = TrunkState(DEMO, CARRIER, Standing.REGISTERED, 200, "OK", servers(up, up, home))
        trunks.handle_trunk(told)
    assert written.entries == [
        TrunkChanged(CARRIER, True, 200, "OK", "a.example (192.0.2.1:5060)"),
        TrunkChanged(CARRIER, True, 200, "OK", "b.example (192.0.2.2:5060)"),
    ]


def test_a_server_that_is_gone_or_back_is_news(trunks: Presence, written: Written) -> None:
    up, down = Answering.UP, Answering.DOWN
    with structlog.testing.capture_logs() as log:
        for first, second in ((up, up), (down, up), (down, down), (up, down)):
            told = TrunkState(DEMO, CARRIER, Standing.REACHABLE, servers=servers(first, second))
            trunks.handle_trunk(told)
    one, other = "a.example (192.0.2.1:5060)", "b.example (192.0.2.2:5060)"
    assert written.entries == [
        TrunkServerChanged(CARRIER, one, False),
        TrunkServerChanged(CARRIER, other, False),
        TrunkServerChanged(CARRIER, one, True),
    ]
    assert [line["event"] for line in log] == ["trunk_server_down", "trunk_server_down", "trunk_server_up"]
    assert trunks.trunk(DEMO, carrier(register=False)).servers[1].state is down
    assert not trunks.trunk(DEMO, carrier(register=False, host="c.example")).servers, "another host"


def test_a_server_is_named_once() -> None:
    unknown = Answering.UNKNOWN
    assert TrunkServer("192.0.2.1", "192.0.2.1:5060", unknown).text == "192.0.2.1:5060"
    assert TrunkServer("2001:db8::1", "[2001:db8::1]:5060", unknown).text == "[2001:db8::1]:5060"
    assert TrunkServer("a.example", None, unknown).text == "a.example"
