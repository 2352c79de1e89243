import array
import struct
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.devices.prompts import PACKAGED, Prompts, ringback
from orchestrator.devices.wav import FORMAT_ALAW, FORMAT_PCM, FORMAT_ULAW, read_wav
from orchestrator.model.errors import ConfigError
from orchestrator.model.identifiers import CompanyId, PromptName
from orchestrator.ports import RINGBACK

DEMO = CompanyId("demo")


def wav(code: int, body: bytes, rate: int = 8000, channels: int = 1) -> bytes:
    bits = 16 if code == FORMAT_PCM else 8
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * width, width, bits)
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks = (
        b"fmt " + struct.pack("<I", len(form)) + form + odd + b"data" + struct.pack("<I", len(body)) + body
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def samples_of(data: bytes) -> list[int]:
    return list(array.array("h", read_wav(data)))


def test_pcm_comes_through_as_it_is() -> None:
    assert read_wav(wav(FORMAT_PCM, b"\x01\x02\x03\x04")) == b"\x01\x02\x03\x04"


def test_companded_sound_is_expanded_as_g711_says() -> None:
    """ITU-T G.711 tables 1a, 1b, 2a, 2b: smallest and largest values of both signs."""
    assert samples_of(wav(FORMAT_ALAW, bytes([0xD5, 0x55, 0xAA, 0x2A]))) == [8, -8, 32256, -32256]
    assert samples_of(wav(FORMAT_ULAW, bytes([0xFF, 0x7F, 0x80, 0x00]))) == [0, 0, 32124, -32124]
    for code in (FORMAT_ALAW, FORMAT_ULAW):
        assert sorted(samples_of(wav(code, bytes(range(256))))) == sorted(
            -sample for sample in samples_of(wav(code, bytes(range(256))))
        )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "no sound"),
        (wav(FORMAT_PCM, b"", rate=16000), "is 16000 Hz"),
        (wav(FORMAT_PCM, b"", channels=2), "2 channels"),
        (wav(85, b""), "format 85"),
    ],
)
def test_other_sound_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_wav(data)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_damaged_files_are_refused_or_read(tail: bytes, keep: int) -> None:
    with suppress(ValueError):
        read_wav(wav(FORMAT_PCM, b"1234")[:keep] + tail)


def test_a_companys_own_file_goes_before_the_packaged_one(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path)
    assert {"unavailable", "welcome", RINGBACK} <= prompts.names(DEMO, "ru")
    assert len(prompts.samples(DEMO, "ru", PromptName("welcome"))) > 8000
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "welcome.wav").write_bytes(wav(FORMAT_PCM, b"ab"))
    (tmp_path / "demo" / "own.wav").write_bytes(b"noise")
    assert prompts.samples(DEMO, "ru", PromptName("welcome")) == b"ab"
    assert prompts.samples(CompanyId("other"), "ru", PromptName("welcome")) != b"ab"
    assert "own" in prompts.names(DEMO, "ru") - prompts.names(CompanyId("other"), "ru")
    with pytest.raises(ConfigError, match=r"own\.wav: not a WAV file"):
        prompts.samples(DEMO, "ru", PromptName("own"))
    with pytest.raises(ConfigError, match="no such file"):
        prompts.samples(DEMO, "ru", PromptName("gone"))


def test_every_packaged_prompt_can_be_played() -> None:
    for language in ("en", "ru"):
        for file in (PACKAGED / language).glob("*.wav"):
            assert len(read_wav(file.read_bytes())) > 4000, file


def test_ringback_sounds_for_one_second_of_five() -> None:
    tone = array.array("h", ringback())
    assert len(tone) == 5 * 8000
    assert max(tone) > 5000
    assert set(tone[8000:]) == {0}
    crossings = sum(1 for a, b in pairwise(tone[:8000]) if a < 0 <= b)
    assert abs(crossings - 425) <= 1
