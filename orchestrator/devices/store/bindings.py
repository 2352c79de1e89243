"""Registrations outlive a restart: what changed is written once a second."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
import trio
from attrs import define, field

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import BINDINGS
from orchestrator.devices.store.times import to_us
from orchestrator.model.errors import ResourceError
from orchestrator.model.identifiers import CompanyId, DeviceId
from orchestrator.model.registrations import Registration


@define(eq=False)
class Bindings:
    """Where devices are registered, in the database."""

    database: Database
    _changed: dict[tuple[CompanyId, DeviceId], tuple[Registration, ...]] = field(factory=dict)

    async def load(self) -> list[Registration]:
        """Those of the run before, expired ones too."""
        return await self.database.read(_load)

    def set(self, company: CompanyId, device: DeviceId, registrations: Sequence[Registration]) -> None:
        """A device is now registered here; empty: nowhere. Written within a second."""
        self._changed[company, device] = tuple(registrations)

    async def keep(self, every_s: float = 1.0) -> None:
        """Write what changes, for ever. While the database is away, changes are kept: one a device."""
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


def _load(connection: sa.Connection) -> list[Registration]:
    bodies = connection.scalars(sa.select(BINDINGS.c.body).order_by(BINDINGS.c.company, BINDINGS.c.device))
    return [_DECODER.decode(body) for body in bodies]


def _save(
    connection: sa.Connection, changed: dict[tuple[CompanyId, DeviceId], tuple[Registration, ...]]
) -> None:
    gone = BINDINGS.delete().where(
        BINDINGS.c.company == sa.bindparam("c"), BINDINGS.c.device == sa.bindparam("d")
    )
    connection.execute(gone, [{"c": company, "d": device} for company, device in changed])
    rows = [
        {
            "company": company,
            "device": device,
            "contact": binding.contact,
            "expires_at_us": to_us(binding.expires_at),
            "body": msgspec.json.encode(binding),
        }
        for (company, device), bindings in changed.items()
        for binding in bindings
    ]
    if rows:
        connection.execute(BINDINGS.insert().prefix_with("OR REPLACE"), rows)


_DECODER = msgspec.json.Decoder(Registration)
