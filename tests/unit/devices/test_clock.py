from datetime import timedelta

import trio
from trio.testing import MockClock

from orchestrator.devices.clock import SystemClock


async def test_the_date_follows_trios_clock(mock_clock: MockClock) -> None:
    clock = SystemClock()
    before = clock.now()
    mock_clock.jump(86_400.5)
    assert clock.now() - before == timedelta(days=1, seconds=0.5)


async def test_it_comes_back_to_the_systems_date(autojump_clock: MockClock) -> None:
    clock = SystemClock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.follow)
        await trio.sleep(61)
        assert abs(clock.off_by_s()) < 2
        nursery.cancel_scope.cancel()
