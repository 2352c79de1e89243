import pytest

from orchestrator.configuration.fields import Fields, Problems
from orchestrator.configuration.reading import Secrets, read_trunk
from orchestrator.configuration.writing import write_trunk
from orchestrator.model.directory import Trunk


def reading(**said: object) -> tuple[Trunk, list[str]]:
    problems = Problems()
    body = {"id": "t", "host": "h.example", "caller_number": "+74951234500", **said}
    return read_trunk(Fields(body, "", problems), Secrets()), [str(problem) for problem in problems.found]


def test_codecs_are_read_in_their_order_and_written_back_in_their_spelling() -> None:
    trunk, problems = reading(codecs=["pcma", "Opus", "telephone-event"])
    assert not problems
    assert trunk.codecs == ("PCMA", "opus", "telephone-event")
    assert write_trunk(trunk)["codecs"] == ["PCMA", "opus", "telephone-event"]
    assert "codecs" not in write_trunk(reading()[0])


@pytest.mark.parametrize(
    ("codecs", "problem"),
    [
        (["PCMA", "alaw"], "codecs[1]: no codec 'alaw' (there are: PCMA, PCMU, G722,"),
        (["PCMA", "pcma"], "codecs[1]: PCMA is given twice"),
        (["telephone-event"], "codecs: has no sound; name a codec such as PCMA"),
        ([], "codecs: has no sound"),
        ("PCMA", "codecs: must be a list, not text"),
    ],
)
def test_what_is_wrong_with_codecs_is_named(codecs: object, problem: str) -> None:
    assert reading(codecs=codecs)[1][0].startswith(problem)
