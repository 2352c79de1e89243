"""When each of a person's devices rings."""

from collections.abc import Iterable, Sequence

from attrs import frozen

from orchestrator.model.calls import Refusal
from orchestrator.model.directory import Device, RingStrategy


@frozen
class Rung:
    """One device with its time: rings from `start_s` on, at most `ring_s` long. Both are counted in one `Ring`.

    If nothing rings any more, the next rung starts at once: nobody waits for a phone that is not there.
    """

    device: Device
    start_s: float
    ring_s: float


def rungs_of(strategy: RingStrategy, devices: Sequence[Device]) -> tuple[tuple[Rung, ...], ...]:
    """The rungs of these devices: those of one inner tuple ring together, one tuple after the other."""
    if not devices:
        return ()
    match strategy:
        case RingStrategy.SERIAL:
            return tuple((Rung(device, 0.0, device.ring_s),) for device in devices)
        case RingStrategy.PARALLEL:
            longest_s = max(device.ring_s for device in devices)
            return (tuple(Rung(device, 0.0, longest_s) for device in devices),)
        case RingStrategy.AS_CARD:
            card = sorted(devices, key=lambda device: device.delay_s)
            first_s = card[0].delay_s
            return (tuple(Rung(device, device.delay_s - first_s, device.ring_s) for device in card),)


def verdict(refusals: Iterable[Refusal]) -> Refusal:
    """What several failed devices mean for their person. None of them: offline."""
    seen = set(refusals) - {Refusal.OFFLINE}
    if not seen:
        return Refusal.OFFLINE
    for decisive in (Refusal.DECLINED, Refusal.NO_ANSWER):
        if decisive in seen:
            return decisive
    return Refusal.BUSY if seen == {Refusal.BUSY} else Refusal.UNREACHABLE
