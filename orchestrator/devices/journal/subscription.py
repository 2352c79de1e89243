"""Tells records to those who follow a company, as they become durable."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

from orchestrator.model.errors import SlowConsumer, StateConflict
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.journal import Record


@define(eq=False)
class Subscription:
    """An endless iterator of records. Ends with `SlowConsumer` once too many wait; those before it are told first."""

    last_seq: int
    """The newest entry when it began: what comes begins right after it."""
    _receive: trio.MemoryReceiveChannel[Record]

    def __aiter__(self) -> AsyncIterator[Record]:
        return self

    async def __anext__(self) -> Record:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise SlowConsumer("too many entries wait; resume from the last one seen") from None

    def waiting(self) -> int:
        """How many records wait to be taken."""
        return self._receive.statistics().current_buffer_used


@define(eq=False)
class Subscriptions:
    """Who follows which company."""

    buffer: int = 10_000
    most: int = 1_000
    """Followers of one company."""
    slow: int = 0
    """How many were let go."""
    _followers: dict[CompanyId, list[trio.MemorySendChannel[Record]]] = field(
        factory=lambda: defaultdict(list)
    )

    @contextmanager
    def follow(self, company: CompanyId, last_seq: int) -> Iterator[Subscription]:
        """Follow from now on. Raises `StateConflict` when there are too many followers."""
        followers = self._followers[company]
        if len(followers) >= self.most:
            raise StateConflict(f"company {company} has {self.most} followers already")
        send, receive = trio.open_memory_channel[Record](self.buffer)
        followers.append(send)
        try:
            yield Subscription(last_seq, receive)
        finally:
            send.close()
            receive.close()
            if send in followers:
                followers.remove(send)

    def tell(self, record: Record) -> None:
        """Hand a record to all who follow its company."""
        followers = self._followers.get(record.company)
        if not followers:
            return
        for send in followers.copy():
            try:
                send.send_nowait(record)
            except trio.WouldBlock:
                followers.remove(send)
                send.close()
                self.slow += 1
