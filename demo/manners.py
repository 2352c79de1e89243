"""How people behave on the phone: how long it rings, whether they take it, what they say, how long they stay."""

import random

import trio
from attrs import frozen

from orchestrator.devices.engine.phone import Phone, PhoneCall

SPEECH = ("ru/welcome", "ru/busy", "en/welcome", "ru/unavailable", "en/unavailable")
"""What is said; any words will do to hear that sound flows."""


@frozen
class Manners:
    """Draws what somebody does. The shares are those of an ordinary working day."""

    rng: random.Random
    declines: float = 0.06
    never_answers: float = 0.14

    def rings_s(self) -> float:
        """How long it rings before somebody picks up."""
        return self.rng.uniform(1.0, 5.0)

    def talks_s(self) -> float:
        """How long a caller stays once somebody answered: mostly short, sometimes long."""
        return min(90.0, 4.0 + self.rng.expovariate(1 / 15.0))

    def patience_s(self) -> float:
        """How long a caller lets it ring."""
        return self.rng.uniform(25.0, 60.0)

    def refuses(self) -> bool:
        """Whether this call is declined."""
        return self.rng.random() < self.declines

    def is_away(self) -> bool:
        """Whether nobody is near the phone."""
        return self.rng.random() < self.never_answers


async def keep_answering(phone: Phone, manners: Manners) -> None:
    """Take this phone's calls, one at a time unless it is the carrier's, until cancelled."""
    is_carrier = phone.account.password is None
    talking = 0

    async def take(call: PhoneCall) -> None:
        nonlocal talking
        talking += 1
        try:
            await answer(call, manners)
        finally:
            talking -= 1

    async with trio.open_nursery() as nursery:
        async for call in phone.incoming:
            if talking and not is_carrier:
                call.reject(486)
            else:
                nursery.start_soon(take, call)


async def answer(call: PhoneCall, manners: Manners) -> None:
    """One incoming call to its end."""
    call.ring()
    with trio.move_on_after(manners.rings_s()):
        await call.ended()
        return
    if manners.refuses():
        call.reject(603)
    elif manners.is_away():
        await call.ended()
    else:
        call.answer()
        await talk(call, manners)


async def talk(call: PhoneCall, manners: Manners) -> None:
    """Say something now and then until the call ends."""
    while await call.answered():
        call.send_silence()
        with trio.move_on_after(manners.rng.uniform(0.5, 3.0)):
            await call.ended()
            return
        await call.play(manners.rng.choice(SPEECH))


async def stay_on(call: PhoneCall, manners: Manners) -> None:
    """The caller's side: wait as long as patience lasts, talk, hang up."""
    try:
        with trio.move_on_after(manners.patience_s()):
            if not await call.answered():
                return
        with trio.move_on_after(manners.talks_s() if call.picked_up.is_set() else 0):
            await talk(call, manners)
    finally:
        call.hang_up()
