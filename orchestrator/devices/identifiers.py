"""Makes names for new things: UUIDv7 (RFC 9562 §5.7), which sort by the time they were made."""

import random

from attrs import frozen

from orchestrator.model.identifiers import CallId, CommandId
from orchestrator.ports import Clock


@frozen
class TimedIdentifiers:
    """Implements `ports.Identifiers`. With a `SystemRandom` nobody can guess one: 74 bits are random."""

    clock: Clock
    rng: random.Random

    def call(self) -> CallId:
        """A new call's name."""
        return CallId(self._uuid())

    def command(self) -> CommandId:
        """A new command's name."""
        return CommandId(self._uuid())

    def _uuid(self) -> str:
        ms = int(self.clock.now().timestamp() * 1000)
        chance = self.rng.getrandbits(74)
        low = 1 << 63 | chance >> 12
        text = f"{ms:012x}7{chance & 0xFFF:03x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
