import random
from datetime import timedelta

import pytest

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.keys import Keys
from orchestrator.model.errors import DomainError, NoSuchObject
from orchestrator.model.identifiers import CompanyId
from tests.unit.devices.conftest import SetClock

READ = frozenset({"calls.read"})


@pytest.fixture
def keys(database: Database, set_clock: SetClock) -> Keys:
    return Keys(database, set_clock, random.Random(1))


async def test_a_secret_names_its_owner_also_after_a_restart(keys: Keys, set_clock: SetClock) -> None:
    view, secret = await keys.create(CompanyId("demo"), "crm", READ, None)
    again = Keys(keys.database, set_clock, random.Random(2))
    await again.load()
    for one in (keys, again):
        principal = one.principal(secret)
        assert principal is not None
        assert (principal.key_id, principal.name, principal.company) == (view.id, "crm", "demo")
        assert (principal.may("calls.read"), principal.may("calls.write")) == (True, False)
        assert one.views() == [view]


async def test_the_database_does_not_hold_the_secret(keys: Keys) -> None:
    _, secret = await keys.create(None, "operator", frozenset({"admin"}), None)
    chance = secret.rsplit("_", 1)[1]
    await keys.database.read(lambda c: c.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all())
    assert chance.encode() not in keys.database.path.read_bytes()
    principal = keys.principal(secret)
    assert principal is not None
    assert principal.may("calls.write")


async def test_nobody_gets_in_with_anything_else(keys: Keys) -> None:
    _, secret = await keys.create(None, "operator", READ, None)
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "x" * 10_000):
        assert keys.principal(wrong) is None


async def test_a_key_ends_at_its_time_or_when_it_is_revoked(keys: Keys, set_clock: SetClock) -> None:
    _, short = await keys.create(None, "short", READ, set_clock.at + timedelta(hours=1))
    view, long = await keys.create(None, "long", READ, None)
    set_clock.on(hours=1)
    assert keys.principal(short) is None
    assert keys.principal(long) is not None
    await keys.revoke(view.id)
    assert keys.principal(long) is None
    with pytest.raises(NoSuchObject):
        await keys.revoke(view.id)


async def test_scopes_are_known_words(keys: Keys) -> None:
    with pytest.raises(DomainError, match=r"no such scope: calls\.rite"):
        await keys.create(None, "typo", frozenset({"calls.rite"}), None)
    with pytest.raises(DomainError, match="at least one scope"):
        await keys.create(None, "none", frozenset(), None)
