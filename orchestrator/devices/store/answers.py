"""Answers already given, by idempotency key: a repeated request gets the same answer and does nothing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import sqlalchemy as sa
import structlog
import trio
from attrs import define, field

from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import ANSWERS
from orchestrator.devices.store.times import to_us
from orchestrator.model.errors import (
    ConfigError,
    DomainError,
    InFlight,
    KeyReused,
    OutcomeUnknown,
    ResourceError,
)
from orchestrator.ports import Clock


@define(eq=False)
class Answers:
    """Kept for a day and an hour. A request that was refused leaves nothing, so it may be tried again.

    That a request was begun is durable before it is carried out. Where its end was never written, because the
    exchange died, the disk filled or its client left, a repeat is refused: it could act twice.
    """

    database: Database
    clock: Clock
    _in_flight: dict[tuple[str, str], str] = field(factory=dict)
    _writes: int = 0

    async def once(
        self, company: str, key: str, fingerprint: str, action: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer, and whether it is an old one.

        Raises `KeyReused`, `InFlight`, `OutcomeUnknown`, and what `action` raises; `ResourceError` before it acts.
        """
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
                if stored[1] == _BEGUN:
                    raise OutcomeUnknown(
                        "look what became of the first request, then take a new Idempotency-Key"
                    )
                return stored[1], True
            await self._keep(company, key, fingerprint, _BEGUN)
            answer = await self._carried_out(company, key, action)
            await self._end(lambda: self._keep(company, key, fingerprint, answer))
            return answer, False
        finally:
            del self._in_flight[place]

    async def _carried_out(self, company: str, key: str, action: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            return await action()
        except (DomainError, ConfigError, ResourceError):
            row = ANSWERS.delete().where(ANSWERS.c.company == company, ANSWERS.c.key == key)
            await self._end(lambda: self.database.write(lambda connection: connection.execute(row)))
            raise

    async def _end(self, write: Callable[[], Awaitable[object]]) -> None:
        """Write how it ended, even if the client has left. If that fails, the end stays unknown to a repeat."""
        with trio.CancelScope(shield=True):
            try:
                await write()
            except ResourceError as error:
                _log.warning("idempotent_end_not_kept", why=str(error))

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


_log = structlog.get_logger(__name__)
_BEGUN = b""
"""Stands for the answer of a request that was begun: no answer is empty."""
KEPT = timedelta(hours=25)
"""At least 24 hours are promised."""
