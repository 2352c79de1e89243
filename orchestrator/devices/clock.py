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
    _now: datetime = field(init=False)
    _now_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.set()

    def now(self) -> datetime:
        """UTC, to half a millisecond. Steps only when `set`; between, it goes evenly forward."""
        current_s = trio.current_time()
        if current_s - self._now_s >= _FINE_S:
            self._now, self._now_s = self._origin + timedelta(seconds=current_s - self._origin_s), current_s
        return self._now

    def set(self) -> None:
        """Take the system's date anew. Needs a running trio."""
        self._origin = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
        self._origin_s = trio.current_time()
        self._now, self._now_s = self._origin, self._origin_s

    def off_by_s(self) -> float:
        """How far the system's date has gone ahead of ours: it was set, or corrected by NTP."""
        return (datetime.fromtimestamp(time.time_ns() / 1e9, UTC) - self.now()).total_seconds()

    async def follow(self, every_s: float = 60.0) -> None:
        """Keep to the system's date for ever, a minute behind at most."""
        while True:
            await trio.sleep(every_s)
            if abs(self.off_by_s()) > 0.1:
                self.set()


_FINE_S = 0.0005
"""Asked again within this time, it gives the same answer: entries are dated by the thousand."""
