"""The date. It follows trio's clock, so that a mock clock moves the calendar too."""

import time
from datetime import UTC, datetime, timedelta

import trio
from attrs import define, field


@define(eq=False)
class SystemClock:
    """Implements `ports.Clock`: the system's date when it was set, plus what trio's clock counted since."""

    _origin: datetime = field(init=False)
    _origin_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.set()

    def now(self) -> datetime:
        """UTC. Steps only when `set`; between, it goes evenly forward."""
        return self._origin + timedelta(seconds=trio.current_time() - self._origin_s)

    def set(self) -> None:
        """Take the system's date anew. Needs a running trio."""
        self._origin = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
        self._origin_s = trio.current_time()

    def off_by_s(self) -> float:
        """How far the system's date has gone ahead of ours: it was set, or corrected by NTP."""
        return (datetime.fromtimestamp(time.time_ns() / 1e9, UTC) - self.now()).total_seconds()

    async def follow(self, every_s: float = 60.0) -> None:
        """Keep to the system's date for ever, a minute behind at most."""
        while True:
            await trio.sleep(every_s)
            if abs(self.off_by_s()) > 0.1:
                self.set()
