"""What `tandem demo` makes of its phones' process."""

import sys

import pytest
import trio

from orchestrator.cli.demo import keep_phones
from orchestrator.model.errors import ResourceError


@pytest.mark.parametrize(
    ("says", "told"), [("sys.exit('the carrier: no')", "the carrier: no"), ("sys.exit(3)", "status 3")]
)
async def test_phones_that_end_by_themselves_are_told_with_their_reason(says: str, told: str) -> None:
    with trio.fail_after(10), pytest.raises(ResourceError) as failed:
        await keep_phones([sys.executable, "-c", f"import sys; {says}"])
    assert str(failed.value) == f"the demo's phones have ended: {told}"
