"""Tones into WAV files, and what can be heard in recordings."""

import math
import struct
import wave
from pathlib import Path

RATE_HZ = 8000
TONES_HZ = (350.0, 440.0, 620.0, 850.0, 1150.0, 1500.0, 2100.0)
"""Far enough apart, and no multiples of each other, so that distortion of one is not taken for another."""
OVER_OTHERS_DB = 20.0
WINDOW_S = 0.1
HEARD_S = 0.5
"""A tone counts as heard from this length in all on."""


def write_tone(path: Path, hz: float, length_s: float = 60.0, amplitude: int = 8000) -> Path:
    """A sine wave: mono, 16 bit, 8 kHz."""
    samples = (
        round(amplitude * math.sin(2 * math.pi * hz * n / RATE_HZ)) for n in range(int(length_s * RATE_HZ))
    )
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


def write_alaw(path: Path, hz: float, length_s: float = 10.0) -> Path:
    """A sine wave in A-law (ITU-T G.711), 8 kHz, without a header."""
    path.write_bytes(alaw_tone(hz, int(length_s * RATE_HZ)))
    return path


def alaw_tone(hz: float, count: int) -> bytes:
    """So many samples of a sine wave in A-law."""
    return bytes(_alaw(round(8000 * math.sin(2 * math.pi * hz * n / RATE_HZ))) for n in range(count))


def _alaw(sample: int) -> int:
    sign, value = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    value >>= 4
    exponent = max(value.bit_length() - 4, 0)
    mantissa = value >> max(exponent - 1, 0) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


def read_samples(path: Path) -> tuple[list[float], int]:
    """Mono samples in -1..1 of a 16-bit WAV file, and its rate; the first channel of several.

    A file that its writer has not closed has no length in its header yet: what is there counts.
    """
    data = path.read_bytes()
    channels, rate = struct.unpack_from("<HI", data, 22)
    start = data.index(b"data") + 8
    count = (len(data) - start) // 2
    values = struct.unpack_from(f"<{count}h", data, start)
    return [value / 32768 for value in values[::channels]], rate


def heard_s(path: Path, hz: float) -> float:
    """For how many seconds `hz` stands at least `OVER_OTHERS_DB` above each other tone of `TONES_HZ`."""
    samples, rate = read_samples(path)
    size = int(rate * WINDOW_S)
    windows = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    return WINDOW_S * sum(_is_tone(window, hz, rate) for window in windows)


def loud_s(path: Path, above_db: float = -45.0) -> float:
    """For how many seconds there is any sound louder than `above_db` below full scale."""
    samples, rate = read_samples(path)
    size = int(rate * WINDOW_S)
    windows = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    level = 10 ** (above_db / 20)
    return WINDOW_S * sum(math.sqrt(sum(s * s for s in window) / size) > level for window in windows)


def _is_tone(window: list[float], hz: float, rate: int) -> bool:
    own = _power(window, hz, rate)
    others = max(_power(window, other, rate) for other in TONES_HZ if other != hz)
    return own > 1e-5 and 10 * math.log10(own / max(others, 1e-12)) >= OVER_OTHERS_DB


def _power(window: list[float], hz: float, rate: int) -> float:
    """Goertzel with a Hann window, so that a strong tone does not leak into its neighbours."""
    count = len(window)
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    before = last = 0.0
    for n, sample in enumerate(window):
        shaped = sample * (0.5 - 0.5 * math.cos(2 * math.pi * n / count))
        before, last = last, shaped + coefficient * last - before
    return (last * last + before * before - coefficient * last * before) * (4 / count) ** 2 / 2
