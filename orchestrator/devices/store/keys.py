"""API keys: an identifier and 32 random bytes, of which only the hash is kept."""

import hashlib
import random
from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import define, field

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import API_KEYS
from orchestrator.devices.store.times import from_us, to_us
from orchestrator.model.access import SCOPES, KeyView, Principal
from orchestrator.model.errors import DomainError, NoSuchObject, StateConflict
from orchestrator.model.identifiers import CompanyId
from orchestrator.ports import Clock


@define(eq=False)
class Keys:
    """All keys, in memory by their hash and in the database. At most 10,000."""

    database: Database
    clock: Clock
    rng: random.Random
    _by_hash: dict[str, KeyView] = field(factory=dict)

    async def load(self) -> None:
        """Read them once, at start."""
        self._by_hash = await self.database.read(_load)

    def views(self, company: CompanyId | None = None) -> list[KeyView]:
        """Those of one company, or all of them; oldest first."""
        keys = sorted(self._by_hash.values(), key=lambda key: (key.created_at, key.id))
        return [key for key in keys if company is None or key.company == company]

    def principal(self, secret: str) -> Principal | None:
        """Who this secret belongs to; None when it is unknown or has expired."""
        key = self._by_hash.get(_hash(secret)) if len(secret) <= _LONGEST_SECRET else None
        if key is None or self.expired(key):
            return None
        return Principal(key.id, key.name, key.company, key.scopes)

    def has_expired(self, secret: str) -> bool:
        """Whether this secret once was good: the API says so rather than "unknown"."""
        key = self._by_hash.get(_hash(secret)) if len(secret) <= _LONGEST_SECRET else None
        return key is not None and self.expired(key)

    def expired(self, key: KeyView) -> bool:
        """Whether a key's time is over."""
        return key.expires_at is not None and key.expires_at <= self.clock.now()

    async def create(
        self, company: CompanyId | None, name: str, scopes: frozenset[str], expires_at: datetime | None
    ) -> tuple[KeyView, str]:
        """A new key and its secret, which is told only now. Raises `DomainError` for unknown scopes."""
        if unknown := sorted(scopes - SCOPES):
            raise DomainError(f"no such scope: {', '.join(unknown)}")
        if not scopes:
            raise DomainError("a key needs at least one scope")
        if len(self._by_hash) >= _MOST:
            raise StateConflict(f"there are {_MOST} keys already; revoke some")
        id = f"{self.rng.getrandbits(64):016x}"
        chance = self.rng.getrandbits(256).to_bytes(32, "big")
        secret = f"tandem_{id}_{urlsafe_b64encode(chance).decode().rstrip('=')}"
        hash, now = _hash(secret), self.clock.now()
        view = KeyView(id, name, company, scopes, now, expires_at)
        row = {
            "id": id,
            "company": company,
            "name": name,
            "scopes": " ".join(sorted(scopes)),
            "sha256": hash,
            "created_at_us": to_us(now),
            "expires_at_us": to_us(expires_at) if expires_at else None,
        }
        await self.database.write(lambda connection: connection.execute(API_KEYS.insert(), row))
        self._by_hash[hash] = view
        return view, secret

    async def revoke(self, id: str) -> None:
        """End a key at once. Raises `NoSuchObject`."""
        found = next((hash for hash, key in self._by_hash.items() if key.id == id), None)
        if found is None:
            raise NoSuchObject(f"no key {id!r}")
        statement = API_KEYS.delete().where(API_KEYS.c.id == id)
        await self.database.write(lambda connection: connection.execute(statement))
        del self._by_hash[found]


def _load(connection: sa.Connection) -> dict[str, KeyView]:
    return {row.sha256: _view(row) for row in connection.execute(API_KEYS.select())}


def _view(row: Any) -> KeyView:
    expires_at = None if row.expires_at_us is None else from_us(row.expires_at_us)
    scopes = frozenset(row.scopes.split())
    return KeyView(row.id, row.name, row.company, scopes, from_us(row.created_at_us), expires_at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_LONGEST_SECRET = 200
_MOST = 10_000
