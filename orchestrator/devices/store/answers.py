"""Answers already given, by idempotency key: a repeated request gets the same answer and does nothing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import sqlalchemy as sa
from attrs import define, field

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import ANSWERS
from orchestrator.devices.store.times import to_us
from orchestrator.model.errors import InFlight, KeyReused
from orchestrator.ports import Clock


@define(eq=False)
class Answers:
    """Kept for a day and an hour. A request that failed leaves nothing, so it may be tried again.

    What was in flight when the exchange died is forgotten: the call that it began is over too.
    """

    database: Database
    clock: Clock
    _in_flight: dict[tuple[str, str], str] = field(factory=dict)
    _writes: int = 0

    async def once(
        self, company: str, key: str, fingerprint: str, action: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer, and whether it is an old one. Raises `KeyReused`, `InFlight`, and what `action` raises."""
        place = (company, key)
        if place in self._in_flight:
            if self._in_flight[place] != fingerprint:
                raise KeyReused("this Idempotency-Key came with another request")
            raise InFlight("the first request with this Idempotency-Key is still being carried out")
        self._in_flight[place] = fingerprint
        try:
            stored = await self.database.read(lambda connection: _find(connection, company, key))
            if stored is not None:
                if stored[0] != fingerprint:
                    raise KeyReused("this Idempotency-Key came with another request")
                return stored[1], True
            answer = await action()
            await self._keep(company, key, fingerprint, answer)
            return answer, False
        finally:
            del self._in_flight[place]

    async def _keep(self, company: str, key: str, fingerprint: str, answer: bytes) -> None:
        now = self.clock.now()
        row = {
            "company": company,
            "key": key,
            "fingerprint": fingerprint,
            "answer": answer,
            "at_us": to_us(now),
        }
        old = ANSWERS.delete().where(ANSWERS.c.at_us < to_us(now - KEPT))
        self._writes += 1
        clean = self._writes % 100 == 1

        def keep(connection: sa.Connection) -> None:
            if clean:
                connection.execute(old)
            connection.execute(ANSWERS.insert().prefix_with("OR REPLACE"), row)

        await self.database.write(keep)


def _find(connection: sa.Connection, company: str, key: str) -> tuple[str, bytes] | None:
    query = sa.select(ANSWERS.c.fingerprint, ANSWERS.c.answer).where(
        ANSWERS.c.company == company, ANSWERS.c.key == key
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.fingerprint, row.answer)


KEPT = timedelta(hours=25)
"""At least 24 hours are promised."""
