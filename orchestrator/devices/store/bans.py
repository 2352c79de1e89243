"""Bans outlive a restart: what changed is written once a second."""

import msgspec
import sqlalchemy as sa
import trio
from attrs import define, field

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import BANS
from orchestrator.model.bans import Ban
from orchestrator.model.errors import ResourceError


@define(eq=False)
class Bans:
    """Who is banned or was of late, in the database. Bounded by what the engine remembers."""

    database: Database
    _changed: dict[str, Ban | None] = field(factory=dict)

    async def load(self) -> list[Ban]:
        """Those of the run before, the oldest first."""
        return await self.database.read(_load)

    def set(self, source: str, ban: Ban | None) -> None:
        """The newest ban of a source; None: it is forgotten. Written within a second."""
        self._changed[source] = ban

    async def keep(self, every_s: float = 1.0) -> None:
        """Write what changes, for ever. While the database is away, changes are kept: one a source."""
        while True:
            await trio.sleep(every_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what has changed. A failure leaves it for the next time."""
        changed, self._changed = self._changed, {}
        if not changed:
            return
        try:
            await self.database.write(lambda connection: _save(connection, changed))
        except ResourceError:
            self._changed = changed | self._changed


def _load(connection: sa.Connection) -> list[Ban]:
    bans = [_DECODER.decode(body) for body in connection.scalars(sa.select(BANS.c.body))]
    return sorted(bans, key=lambda ban: (ban.since, ban.source))


def _save(connection: sa.Connection, changed: dict[str, Ban | None]) -> None:
    gone = BANS.delete().where(BANS.c.source == sa.bindparam("s"))
    connection.execute(gone, [{"s": source} for source in changed])
    rows = [{"source": source, "body": msgspec.json.encode(ban)} for source, ban in changed.items() if ban]
    if rows:
        connection.execute(BANS.insert(), rows)


_DECODER = msgspec.json.Decoder(Ban)
