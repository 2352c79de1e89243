"""Who calls whom in the demo: colleagues by short number, customers by public number, now and then a wrong one."""

from collections.abc import Mapping, Sequence
from typing import Any

import trio
from attrs import frozen

from demo.manners import Manners, stay_on
from orchestrator.devices.engine.phone import Phone

CUSTOMERS = (
    ("+79035550117", "Николай"),
    ("+79265550142", ""),
    ("+78125550163", "ООО Ромашка"),
    ("+16475550188", "Maple Tools Ltd"),
    ("+79175550109", "Ирина Сергеевна"),
)
FROM_OUTSIDE = 0.45
"""Share of calls that come through the trunk."""
TO_OUTSIDE = 0.1
"""Share of the others that go to a public number outside."""


@frozen
class Traffic:
    """The calls of a working day."""

    phones: Sequence[Phone]
    carrier: Phone
    extensions: Sequence[str]
    numbers: Sequence[str]
    manners: Manners

    @classmethod
    def of_company(
        cls, company: Mapping[str, Any], phones: Sequence[Phone], carrier: Phone, manners: Manners
    ) -> "Traffic":
        """Everything that can be dialled in this company."""
        extensions = [person["extension"] for person in company["people"]]
        return cls(phones, carrier, extensions, [entry["number"] for entry in company["numbers"]], manners)

    async def keep_going(self, *, at_once: int, pause_s: float) -> None:
        """Start a call every `pause_s` on average, at most `at_once` together, until cancelled."""
        room = trio.CapacityLimiter(at_once)
        async with trio.open_nursery() as nursery:
            while True:
                await room.acquire_on_behalf_of(ticket := object())
                nursery.start_soon(self._one_call, room, ticket)
                await trio.sleep(self.manners.rng.expovariate(1 / pause_s))

    async def _one_call(self, room: trio.CapacityLimiter, ticket: object) -> None:
        rng = self.manners.rng
        try:
            if rng.random() < FROM_OUTSIDE:
                number, name = rng.choice(CUSTOMERS)
                await stay_on(self.carrier.call(rng.choice(self.numbers), name, number), self.manners)
            elif idle := [phone for phone in self.phones if phone.is_registered and phone.is_free]:
                number = (
                    rng.choice(CUSTOMERS)[0] if rng.random() < TO_OUTSIDE else rng.choice(self.extensions)
                )
                await stay_on(rng.choice(idle).call(number), self.manners)
        finally:
            room.release_on_behalf_of(ticket)
