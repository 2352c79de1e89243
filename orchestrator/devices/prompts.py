"""Finds prompts: a company's own files first, then those of its language in the package.

Own files lie in DATA/prompts/COMPANY/NAME.wav. "ringback" is made here unless there is a file of that name.
"""

import array
import math
from pathlib import Path

from attrs import field, frozen

from orchestrator.devices.wav import read_wav
from orchestrator.model.errors import ConfigError, Problem
from orchestrator.model.identifiers import CompanyId, PromptName
from orchestrator.ports import RINGBACK

PACKAGED = Path(__file__).parent.parent / "prompts"
LONGEST_BYTES = 16_000 * 300
"""Five minutes."""


@frozen
class Prompts:
    """Reads prompt files. Methods block for a few milliseconds: call them in a thread."""

    own: Path
    packaged: Path = field(default=PACKAGED)

    def names(self, company: CompanyId, language: str) -> frozenset[str]:
        """What can be played to this company's callers."""
        found = {RINGBACK} | {
            file.stem for folder in self._folders(company, language) for file in _wavs(folder)
        }
        return frozenset(found)

    def samples(self, company: CompanyId, language: str, name: PromptName) -> bytes:
        """One prompt: mono s16le, 8 kHz. Raises `ConfigError` naming the file."""
        for folder in self._folders(company, language):
            file = folder / f"{name}.wav"
            if not file.is_file():
                continue
            try:
                samples = read_wav(file.read_bytes())
            except (OSError, ValueError) as error:
                raise ConfigError([Problem(str(file), str(error))]) from error
            if len(samples) > LONGEST_BYTES:
                raise ConfigError([Problem(str(file), "is longer than five minutes")])
            return samples
        if name == RINGBACK:
            return ringback()
        raise ConfigError(
            [Problem(f"prompt {name}", f"no such file for company {company} or language {language}")]
        )

    def has_own(self, company: CompanyId, name: PromptName) -> bool:
        """Whether the company has a file of its own for this prompt."""
        return (self.own / company / f"{name}.wav").is_file()

    def _folders(self, company: CompanyId, language: str) -> tuple[Path, Path]:
        return self.own / company, self.packaged / language


def ringback() -> bytes:
    """One period of the tone that a caller hears while somebody is rung: 425 Hz, 1 s on, 4 s off (ETSI TR 101 041)."""
    step = 2 * math.pi * 425 / 8000
    loud = [
        round(_RINGBACK_PEAK * math.sin(step * n) * min(1.0, n / 80, (8000 - n) / 80)) for n in range(8000)
    ]
    return array.array("h", loud).tobytes() + bytes(2 * 8000 * 4)


def _wavs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wav")) if folder.is_dir() else []


_RINGBACK_PEAK = 5200
"""About -16 dB of full scale."""
