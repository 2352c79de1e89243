"""Who is banned: told by the switch, remembered in the store, in the log for the operator and his firewall."""

from datetime import datetime, timedelta

import structlog
from attrs import define, field

from orchestrator.devices.store.bans import Bans
from orchestrator.model.bans import Ban, BanView
from orchestrator.ports import Clock


@define(eq=False)
class Defence:
    """Bans by source, those among them that are over and not forgotten yet. Bounded by what the engine remembers."""

    store: Bans
    clock: Clock
    memory: timedelta
    """How long a ban that is over makes the next one longer."""
    _bans: dict[str, Ban] = field(factory=dict)

    async def load(self) -> list[Ban]:
        """What an earlier run left, but for what is forgotten."""
        for ban in await self.store.load():
            self._bans[ban.source] = ban
        self._forget(self.clock.now())
        return list(self._bans.values())

    def in_force(self) -> list[BanView]:
        """Those that hold now, by source."""
        now = self.clock.now()
        found = [ban.view(now) for ban in self._bans.values() if ban.ends_at > now]
        return sorted(found, key=lambda ban: ban.source)

    def handle_banned(self, ban: Ban) -> None:
        """A source is not listened to from now on."""
        self._forget(ban.since)
        self._bans[ban.source] = ban
        self.store.set(ban.source, ban)
        view = ban.view(ban.since)
        _log.warning(
            "source_banned",
            source=ban.source,
            network=view.network,
            reason=ban.reason,
            lasts_s=view.left_s,
            times=ban.times,
            last_account=ban.account,
        )

    def handle_lifted(self, source: str) -> None:
        """The engine listens to a source again before its time: it may not be banned, or there are too many."""
        self._lift(source, by="engine")

    def lift(self, source: str, by: str) -> bool:
        """Forget a source as if it had never been banned. False if it is not banned now."""
        ban = self._bans.get(source)
        if ban is None or ban.ends_at <= self.clock.now():
            return False
        self._lift(source, by)
        return True

    def _lift(self, source: str, by: str) -> None:
        if self._bans.pop(source, None) is not None:
            self.store.set(source, None)
            _log.info("ban_lifted", source=source, by=by)

    def _forget(self, now: datetime) -> None:
        for source, ban in list(self._bans.items()):
            if ban.ends_at + self.memory <= now:
                del self._bans[source]
                self.store.set(source, None)


_log = structlog.get_logger(__name__)
