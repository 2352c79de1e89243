import random
import uuid

from orchestrator.devices.identifiers import TimedIdentifiers
from tests.unit.devices.conftest import SetClock


def test_they_are_version_7_and_sort_by_time(set_clock: SetClock) -> None:
    make = TimedIdentifiers(set_clock, random.Random(1))
    made = []
    for _ in range(200):
        made.append(make.call())
        set_clock.on(milliseconds=1)
    assert made == sorted(made)
    assert len(set(made)) == 200
    for text in made:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert uuid.UUID(made[0]).int >> 80 == int(set_clock.at.timestamp() * 1000) - 200


def test_one_seed_makes_the_same_again(set_clock: SetClock) -> None:
    one, two = (TimedIdentifiers(set_clock, random.Random(7)) for _ in range(2))
    assert [one.call() for _ in range(5)] == [two.call() for _ in range(5)]
