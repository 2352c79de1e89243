"""The words of the live page: whatever the exchange may tell has one, in both languages."""

import re
from importlib.resources import files
from itertools import chain

import pytest

from orchestrator.model.calls import EndCause
from orchestrator.model.registrations import Standing
from orchestrator.statistics.live import CallState

STATIC = files("api") / "static"
SCRIPT = (STATIC / "words.js").read_text()
EN, RU = (
    set(re.findall(r"(?<=[{, ])(\w+): [\"{]", part))
    for part in SCRIPT.split("const WORDS")[1].split("\n};")[0].split("\n  ru: {")
)


def test_both_languages_have_the_same_words() -> None:
    assert EN - {"en"} - {"one", "few", "many", "other"} == RU - {"one", "few", "many", "other"}
    assert len(EN) > 60


@pytest.mark.parametrize("told", list(chain(EndCause, CallState, Standing)))
def test_what_the_exchange_tells_has_a_word(told: EndCause | CallState | Standing) -> None:
    assert told.value in EN & RU


def test_no_word_is_missing_or_left_over() -> None:
    page = (STATIC / "index.html").read_text()
    scripts = "".join((STATIC / name).read_text() for name in ("app.js", "view.js"))
    asked = set(re.findall(r'data-word="(\w+)"', page)) | set(
        re.findall(r'(?:word|timed|linkIs|counted)\("(\w+)"', scripts + SCRIPT)
    )
    assert asked <= EN
    told = {kind.value for kind in chain(EndCause, CallState, Standing)}
    named = set(re.findall(r'"(\w+)"', scripts)) | asked | told
    assert EN - named <= {"en", "one", "few", "many", "other"}
