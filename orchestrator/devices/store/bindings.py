"""Registrations outlive a restart: what changed is written once a second."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
import trio
from attrs import define, field
from msgspec.structs import replace

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import BINDINGS
from orchestrator.devices.store.times import from_us, to_us
from orchestrator.model.errors import ResourceError
from orchestrator.model.identifiers import CompanyId, DeviceId
from orchestrator.model.registrations import Registration


@define(eq=False)
class Bindings:
    """Where devices are registered, in the database."""

    database: Database
    _changed: dict[tuple[CompanyId, DeviceId], tuple[Registration, ...]] = field(factory=dict)
    _extended: dict[tuple[CompanyId, DeviceId], tuple[Registration, ...]] = field(factory=dict)
    """Devices of which only times have changed."""

    async def load(self) -> list[Registration]:
        """Those of the run before, expired ones too."""
        return await self.database.read(_load)

    def set(self, company: CompanyId, device: DeviceId, registrations: Sequence[Registration]) -> None:
        """A device is now registered here; empty: nowhere. Written within a second."""
        self._changed[company, device] = tuple(registrations)
        self._extended.pop((company, device), None)

    def extend(self, company: CompanyId, device: DeviceId, registrations: Sequence[Registration]) -> None:
        """A device is registered where it was, but until other times: the cheaper half of `set`."""
        if (company, device) in self._changed:
            self._changed[company, device] = tuple(registrations)
        else:
            self._extended[company, device] = tuple(registrations)

    async def keep(self, every_s: float = 1.0) -> None:
        """Write what changes, for ever. While the database is away, changes are kept: one a device."""
        while True:
            await trio.sleep(every_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what has changed. A failure leaves it for the next time."""
        changed, self._changed = self._changed, {}
        extended, self._extended = self._extended, {}
        if not changed and not extended:
            return

        def save(connection: sa.Connection) -> None:
            if changed:
                _save(connection, changed)
            if extended:
                _extend(connection, extended)

        try:
            await self.database.write(save)
        except ResourceError:
            self._changed = changed | self._changed
            waiting = {key: kept for key, kept in extended.items() if key not in self._changed}
            self._extended = waiting | self._extended


def _load(connection: sa.Connection) -> list[Registration]:
    kept = sa.select(BINDINGS.c.body, BINDINGS.c.expires_at_us).order_by(
        BINDINGS.c.company, BINDINGS.c.device
    )
    return [
        replace(_DECODER.decode(body), expires_at=from_us(expires_at_us))
        for body, expires_at_us in connection.execute(kept)
    ]


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


def _extend(
    connection: sa.Connection, extended: dict[tuple[CompanyId, DeviceId], tuple[Registration, ...]]
) -> None:
    rows = [
        (company, device, binding.contact, to_us(binding.expires_at))
        for (company, device), bindings in extended.items()
        for binding in bindings
    ]
    connection.execute(_EXTEND, {"rows": msgspec.json.encode(rows).decode()})


_EXTEND = sa.text(
    "UPDATE bindings SET expires_at_us = json_extract(now.value, '$[3]') FROM json_each(:rows) AS now"
    " WHERE company = json_extract(now.value, '$[0]') AND device = json_extract(now.value, '$[1]')"
    " AND contact = json_extract(now.value, '$[2]')"
)
"""However many there are, in one statement: each step of one asks for the interpreter again."""
_DECODER = msgspec.json.Decoder(Registration)
