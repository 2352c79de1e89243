"""The whole exchange behind its facade, with phones of ours on loopback."""

import socket
import stat
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve

from orchestrator.app import Exchange, open_exchange
from orchestrator.app.projections import Projections
from orchestrator.devices.engine.phone import Phone, PhoneAccount, Phones, open_phones
from orchestrator.devices.prompts import PACKAGED
from orchestrator.model.calls import EndCause
from orchestrator.model.errors import (
    ConfigError,
    NoSuchCall,
    NoSuchCompany,
    NoSuchObject,
    NotAccepting,
    ResourceError,
    StaleVersion,
)
from orchestrator.model.identifiers import CallId, CommandId, CompanyId, DeviceId, PersonId
from orchestrator.model.journal import ConfigurationChanged, DeviceRegistered, DeviceUnregistered
from orchestrator.settings import Settings
from orchestrator.statistics.commands import Progress
from orchestrator.statistics.live import CallState
from tests.contracts.desk import DOMAIN as RAW_DOMAIN
from tests.contracts.raw_sip import RawPeer

DEMO = CompanyId("demo")
DOCUMENT: dict[str, Any] = {
    "company": "demo",
    "name": "Demo",
    "domain": "demo.example",
    "terminal": {"announcement": "unavailable"},
    "people": [
        {
            "id": "anna",
            "name": "Анна",
            "extension": "101",
            "devices": [{"id": "anna-desk", "kind": "desk", "password": "secret-of-anna"}],
        },
        {
            "id": "boris",
            "name": "Boris",
            "extension": "102",
            "devices": [{"id": "boris-desk", "kind": "desk", "password": "secret-of-boris", "sha256": True}],
        },
    ],
}


def settings_for(data_dir: Path, port: int = 0) -> Settings:
    return Settings(data_dir, sip_listen=(f"udp:127.0.0.1:{port}",), media_address="127.0.0.1")


def port_of(exchange: Exchange) -> int:
    return int(exchange.switch.engine.listening()[0].rpartition(":")[2])


def phone(phones: Phones, exchange: Exchange, user: str, password: str) -> Phone:
    return phones.add(
        PhoneAccount(user=user, password=password, domain="demo.example", port=port_of(exchange), sha256=True)
    )


async def test_counting_a_day_anew_holds_up_no_other_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end, zones = trio.Event(), trio.Event(), list[str]()
    move = Projections.move

    async def slow(self: Projections, company: CompanyId, zone: str, *rest: Any) -> None:
        if zone == "Asia/Tokyo":
            begun.set()
            await may_end.wait()
        await move(self, company, zone, *rest)
        zones.append(str(self.companies[company].day.zone))

    other = {**DOCUMENT, "company": "other", "domain": "other.example"}
    async with open_exchange(settings_for(tmp_path)) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        monkeypatch.setattr(Projections, "move", slow)
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(
                    partial(exchange.apply, {**DOCUMENT, "time_zone": "Asia/Tokyo"}, by="test")
                )
                with trio.fail_after(5):
                    await begun.wait()
                    await exchange.apply(other, by="test")
                nursery.start_soon(
                    partial(exchange.apply, {**DOCUMENT, "time_zone": "Europe/Paris"}, by="test")
                )
                await trio.testing.wait_all_tasks_blocked(0.2)
            finally:
                may_end.set()
        assert zones == ["UTC", "Asia/Tokyo", "Europe/Paris"], "one after the other, and the last one counts"


async def test_a_trunk_that_leads_back_to_the_exchange_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    trunk = {"id": "loop", "host": "127.0.0.1", "port": port, "caller_number": "+74951234500"}
    async with open_exchange(settings_for(tmp_path, port)) as exchange:
        with pytest.raises(ConfigError, match="is this exchange"):
            exchange.plan({**DOCUMENT, "trunks": [trunk]})
        exchange.plan({**DOCUMENT, "trunks": [{**trunk, "transport": "tcp"}]})


async def test_a_document_makes_a_company_that_outlives_a_restart(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path)) as exchange:
        assert exchange.companies() == []
        planned = exchange.plan(DOCUMENT)
        assert exchange.companies() == []
        assert await exchange.apply(DOCUMENT, by="test") == planned
        assert planned.changes == ("company demo added", "person anna added", "person boris added")
        assert (await exchange.apply(DOCUMENT, by="test")).changes == ()
        exported = exchange.export(DEMO)
    async with open_exchange(settings_for(tmp_path)) as exchange:
        assert exchange.export(DEMO) == exported
        assert exchange.plan(DOCUMENT).changes == ()
        found = exchange.directory(DEMO).by_extension("102")
        assert found is not None
        assert found.id == "boris"
        records = (await exchange.entries_after(DEMO, 0, 10)).records
        assert [record.entry for record in records] == [ConfigurationChanged("test", planned.changes)]


async def test_a_bad_document_changes_nothing(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path)) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        before = exchange.export(DEMO)
        bad = deepcopy(DOCUMENT)
        bad["name"] = "New"
        bad["terminal"] = {"announcement": "gone"}
        bad["time_zone"] = "Europe/Moskow"
        with pytest.raises(ConfigError) as caught:
            await exchange.apply(bad, by="test")
        assert {problem.path for problem in caught.value.problems} == {"terminal.announcement", "time_zone"}
        assert exchange.export(DEMO) == before
        assert exchange.last_seq(DEMO) == 1


async def test_a_prompt_that_cannot_be_played_refuses_the_change_and_never_the_start(tmp_path: Path) -> None:
    file = tmp_path / "prompts" / "demo" / "bad.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"RIFF____WAVEjunk")
    async with open_exchange(settings_for(tmp_path)) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        with pytest.raises(ConfigError, match=r"bad\.wav"):
            await exchange.apply(DOCUMENT | {"terminal": {"announcement": "bad"}}, by="test")
        assert exchange.export(DEMO)["terminal"] == {"announcement": "unavailable"}
        file.write_bytes((PACKAGED / "en" / "unavailable.wav").read_bytes())
        await exchange.apply(DOCUMENT | {"terminal": {"announcement": "bad"}}, by="test")
    file.write_bytes(b"RIFF____WAVEjunk")
    async with open_exchange(settings_for(tmp_path)) as exchange:
        assert exchange.export(DEMO)["terminal"] == {"announcement": "bad"}


async def test_objects_have_versions_that_guard_changes(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path)) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        people = exchange.documents(DEMO, "person")
        assert [(person.id, person.version) for person in people] == [("anna", 1), ("boris", 1)]
        assert exchange.documents(DEMO, "person", after="anna", limit=1) == people[1:]
        body = {**people[0].body, "extension": "111"}
        changed = await exchange.put(DEMO, "person", "anna", body, if_version=1, by="test")
        assert changed.version == 2
        with pytest.raises(StaleVersion):
            await exchange.put(DEMO, "person", "anna", body, if_version=1, by="test")
        with pytest.raises(StaleVersion):
            await exchange.put(DEMO, "person", "anna", body, if_version=0, by="test")
        with pytest.raises(StaleVersion):
            await exchange.delete(DEMO, "person", "boris", if_version=7, by="test")
        await exchange.delete(DEMO, "person", "boris", if_version=1, by="test")
        assert exchange.document(DEMO, "person", "boris") is None
        with pytest.raises(NoSuchObject):
            await exchange.delete(DEMO, "person", "boris", if_version=None, by="test")
        with pytest.raises(NoSuchCompany):
            exchange.documents(CompanyId("other"), "person")
    async with open_exchange(settings_for(tmp_path)) as exchange:
        assert exchange.document(DEMO, "person", "anna") == changed
        assert len(exchange.documents(DEMO, "person")) == 1


async def test_registrations_outlive_a_restart_and_are_told_once(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_phones() as phones:
            async with open_exchange(settings_for(tmp_path)) as exchange:
                await exchange.apply(DOCUMENT, by="test")
                port = port_of(exchange)
                anna, boris = await two_phones(phones, exchange)
                before = exchange.registrations(DEMO)
            async with open_exchange(settings_for(tmp_path, port)) as exchange:
                await until(lambda: len(exchange.registrations(DEMO)) == 2)
                restored = exchange.registrations(DEMO)
                assert [(one.device, one.contact) for one in restored] == [
                    (one.device, one.contact) for one in before
                ]
                call = anna.call("102")
                theirs = await boris.incoming.receive()
                theirs.answer()
                assert await call.answered()
                call.hang_up()
                await theirs.ended()
                news = [record.entry for record in (await exchange.entries_after(DEMO, 0, 1000)).records]
                assert [n.device for n in news if isinstance(n, DeviceRegistered)] == [
                    "anna-desk",
                    "boris-desk",
                ]


async def test_a_device_that_leaves_is_told_and_forgotten(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange, open_phones() as phones:
            await exchange.apply(DOCUMENT, by="test")
            anna, _ = await two_phones(phones, exchange)
            phones.remove(anna)
            await until(lambda: len(exchange.registrations(DEMO)) == 1)
            await exchange.journal.durable()
            last = (await exchange.entries_after(DEMO, 0, 1000)).records[-1].entry
            assert last == DeviceUnregistered(DeviceId("anna-desk"), "unregistered")
            await exchange.presence.bindings.flush()
            assert [one.device for one in await exchange.presence.bindings.load()] == ["boris-desk"]


async def test_a_call_is_seen_commanded_and_remembered(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange, open_phones() as phones:
            await exchange.apply(DOCUMENT, by="test")
            anna, boris = await two_phones(phones, exchange)
            async with exchange.subscribe(DEMO) as following:
                call = anna.call("102")
                theirs = await boris.incoming.receive()
                await until(lambda: exchange.live_calls(DEMO))
                [live] = exchange.live_calls(DEMO)
                assert (live.state, live.person, live.caller.person) == (CallState.RINGING, "boris", "anna")
                assert exchange.counters(DEMO).total.ringing == 1
                theirs.answer()
                assert await call.answered()
                await until(lambda: exchange.live_calls(DEMO)[0].state is CallState.TALKING)
                # A change to the company does not touch the calls that go on.
                body = {**exchange.documents(DEMO, "person")[0].body, "name": "Anna"}
                await exchange.put(DEMO, "person", "anna", body, if_version=1, by="test")
                with pytest.raises(NoSuchCall):
                    await exchange.hang_up(DEMO, CallId("none"), by="test")
                command = await exchange.hang_up(DEMO, live.call, by="test")
                assert (await call.ended()).by == "peer"
                await theirs.ended()
                await until(lambda: not exchange.live_calls(DEMO))
                state = exchange.command(DEMO, command)
                assert state is not None
                assert (state.progress, state.call, state.by) == (Progress.COMPLETED, live.call, "test")
                last = exchange.last_seq(DEMO)
                told = [await anext(following) for _ in range(last - following.last_seq)]
            assert told == (await exchange.entries_after(DEMO, following.last_seq, 1000)).records
            record = await exchange.record(DEMO, live.call)
            assert record is not None
            assert (record.cause, record.people) == (EndCause.COMMAND, ("anna", "boris"))
            assert [leg.person for leg in record.legs] == ["anna", "boris"]
            assert record.legs[0].media is not None
            figures = exchange.counters(DEMO)
            assert (figures.total.answered, figures.total.talking, figures.calls_now) == (1, 0, 0)
            assert figures.by_person[PersonId("boris")].answered == 1
    async with open_exchange(settings_for(tmp_path)) as exchange:
        assert exchange.counters(DEMO).total == figures.total
        assert exchange.command(DEMO, command) == state


async def test_originate_rings_the_caller_first(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange, open_phones() as phones:
            await exchange.apply(DOCUMENT, by="test")
            anna, boris = await two_phones(phones, exchange)
            with pytest.raises(NoSuchObject):
                await exchange.originate(DEMO, caller=PersonId("nobody"), to="102", by="test")
            command = await exchange.originate(DEMO, caller=PersonId("anna"), to="102", by="test")
            mine = await anna.incoming.receive()
            mine.answer()
            theirs = await boris.incoming.receive()
            theirs.answer()
            assert await theirs.answered()
            await until(lambda: _progress(exchange, command) is Progress.COMPLETED)


async def test_a_full_disk_refuses_new_calls_with_503(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_exchange(settings_for(tmp_path)) as exchange, open_phones() as phones:
            await exchange.apply(DOCUMENT, by="test")
            anna, boris = await two_phones(phones, exchange)
            disk = exchange.journal.writer.connection
            disk.execute("PRAGMA max_page_count=1")
            for place in range(1000):
                exchange.journal.write(DEMO, DeviceUnregistered(DeviceId(f"d{place}"), "expired"))
            await until(lambda: not exchange.journal.accepting)
            assert not exchange.health().journal.ok
            assert (await anna.call("102").ended()).status == 503
            with pytest.raises(NotAccepting):
                await exchange.originate(DEMO, caller=PersonId("anna"), to="102", by="test")
            disk.execute("PRAGMA max_page_count=1000000")
            await until(lambda: exchange.journal.accepting)
            call = anna.call("102")
            (await boris.incoming.receive()).answer()
            assert await call.answered()


async def test_the_first_start_leaves_a_key_for_the_operator(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path / "data")) as exchange:
        file = tmp_path / "data" / "operator.key"
        secret = file.read_text().strip()
        principal = await exchange.authenticate(secret)
        assert principal is not None
        assert (principal.company, principal.may("calls.write")) == (None, True)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    async with open_exchange(settings_for(tmp_path / "data")) as exchange:
        assert file.read_text().strip() == secret
        assert await exchange.authenticate(secret) == principal


async def test_what_is_wrong_with_the_host_is_one_error_and_leaves_nothing_running(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path / "one")) as exchange:
        with pytest.raises(ResourceError, match=f"127.0.0.1:{port_of(exchange)}"):
            async with open_exchange(settings_for(tmp_path / "two", port_of(exchange))):
                pass
        with pytest.raises(ResourceError, match=r"another exchange is using it.*--data-dir"):
            async with open_exchange(settings_for(tmp_path / "one")):
                pass
    async with open_exchange(settings_for(tmp_path / "two")):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="data folder"):
        async with open_exchange(settings_for(tmp_path / "file" / "data")):
            pass
    with pytest.raises(ConfigError):
        async with open_exchange(Settings(tmp_path / "three", sip_listen=("carrier-pigeon:1",))):
            pass


async def two_phones(phones: Phones, exchange: Exchange) -> tuple[Phone, Phone]:
    anna = phone(phones, exchange, "anna-desk", "secret-of-anna")
    await anna.registered()
    boris = phone(phones, exchange, "boris-desk", "secret-of-boris")
    await boris.registered()
    await until(lambda: len(exchange.registrations(DEMO)) == 2)
    return anna, boris


def _progress(exchange: Exchange, command: CommandId) -> Progress | None:
    state = exchange.command(DEMO, command)
    return state.progress if state else None


async def until(holds: Any) -> None:
    """Wait for what nobody tells of."""
    with trio.fail_after(5):
        while not holds():  # noqa: ASYNC110 - nobody tells of it
            await trio.sleep(0.01)


async def test_a_ban_outlives_a_restart_and_is_lifted_by_its_address(tmp_path: Path) -> None:
    settings = evolve(settings_for(tmp_path), ban_s=(60, 3_600), default_realm=RAW_DOMAIN)
    async with open_exchange(settings) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        peer = RawPeer(port_of(exchange))
        for i in range(21):
            await trio.to_thread.run_sync(partial(peer.register, f"user{i}", "a guess"))
        with trio.fail_after(5):
            while not exchange.bans():  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.02)
        [ban] = exchange.bans()
        assert (ban.source, ban.times, ban.reason) == ("127.0.0.1", 1, "wrong_passwords")
        assert 50 <= ban.left_s <= 60
        peer.close()
    async with open_exchange(settings) as exchange:
        assert [known.ends_at for known in exchange.bans()] == [ban.ends_at]
        with trio.fail_after(5):
            while not exchange.engine_counters()["sip_banned"]:  # noqa: ASYNC110 - counters tell nobody
                await trio.sleep(0.02)
        with pytest.raises(NoSuchObject, match="not banned"):
            exchange.lift_ban("192.0.2.1", by="test")
        with pytest.raises(NoSuchObject, match="no address"):
            exchange.lift_ban("nobody", by="test")
        exchange.lift_ban("::ffff:127.0.0.1", by="test")
        assert exchange.bans() == []
        async with open_phones() as phones:
            await phone(phones, exchange, "anna-desk", "secret-of-anna").registered()
