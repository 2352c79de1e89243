"""What `tandem demo` makes of its phones' process."""

import sys

import pytest
import trio

from orchestrator.cli.demo import SAID_MAX_BYTES, keep_phones
from orchestrator.model.errors import ResourceError


@pytest.mark.parametrize(
    ("says", "told"), [("sys.exit('the carrier: no')", "the carrier: no"), ("sys.exit(3)", "status 3")]
)
async def test_phones_that_end_by_themselves_are_told_with_their_reason(says: str, told: str) -> None:
    with trio.fail_after(10), pytest.raises(ResourceError) as failed:
        await keep_phones([sys.executable, "-c", f"import sys; {says}"])
    assert str(failed.value) == f"the demo's phones have ended: {told}"


async def test_of_phones_that_say_much_only_the_end_is_kept() -> None:
    says = "import sys; sys.stderr.write('x' * 3_000_000); sys.exit('the last word')"
    with trio.fail_after(10), pytest.raises(ResourceError) as failed:
        await keep_phones([sys.executable, "-c", says])
    assert str(failed.value).endswith("xthe last word")
    assert len(str(failed.value)) <= SAID_MAX_BYTES + 100
