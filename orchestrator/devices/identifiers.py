"""Makes names for new things: UUIDv7 (RFC 9562 §5.7), which sort by the time they were made."""

import random

from attrs import define, field

from orchestrator.model.identifiers import CallId, CommandId
from orchestrator.ports import Clock


@define(eq=False)
class TimedIdentifiers:
    """Implements `ports.Identifiers`. With a `SystemRandom` nobody can guess one: 74 bits are random."""

    clock: Clock
    rng: random.Random
    _chances: list[int] = field(factory=list)

    def call(self) -> CallId:
        """A new call's name."""
        return CallId(self._uuid())

    def command(self) -> CommandId:
        """A new command's name."""
        return CommandId(self._uuid())

    def _uuid(self) -> str:
        ms = int(self.clock.now().timestamp() * 1000)
        chance = self._chance()
        low = 1 << 63 | chance >> 12
        text = f"{ms:012x}7{chance & 0xFFF:03x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _chance(self) -> int:
        """74 random bits. They are fetched for many at once: each time costs a call of the system."""
        if not self._chances:
            many = self.rng.getrandbits(_BITS * _AT_ONCE)
            self._chances = [many >> _BITS * place & _MASK for place in range(_AT_ONCE)]
        return self._chances.pop()


_BITS = 74
_MASK = (1 << _BITS) - 1
_AT_ONCE = 64
