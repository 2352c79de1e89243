"""Reads WAV files of telephony: 8 kHz mono, 16-bit PCM, A-law or µ-law (ITU-T G.711)."""

import array
import struct
import sys

FORMAT_PCM, FORMAT_ALAW, FORMAT_ULAW = 1, 6, 7


def read_wav(data: bytes) -> bytes:
    """Samples: mono signed 16-bit little-endian, 8 kHz. Raises `ValueError` saying what is wrong."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    form: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt " and len(body) >= 16:
            code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            form = (code, channels, rate, bits)
        elif name == b"data":
            return _samples(form, body)
        at += 8 + size + size % 2
    raise ValueError("has no sound in it")


def _samples(form: tuple[int, int, int, int] | None, body: bytes) -> bytes:
    match form:
        case (_, 1, 8000, 16) if form[0] == FORMAT_PCM:
            return body[: len(body) // 2 * 2]
        case (_, 1, 8000, 8) if form[0] in _TABLES:
            table = _TABLES[form[0]]
            samples = array.array("h", [table[byte] for byte in body])
            if sys.byteorder == "big":
                samples.byteswap()
            return samples.tobytes()
        case None:
            raise ValueError("has no format")
        case (code, channels, rate, bits):
            raise ValueError(
                f"must be 8000 Hz mono, 16-bit PCM, A-law or µ-law; is {rate} Hz, {channels} channels,"
                f" {bits} bits, format {code}"
            )


def _alaw(byte: int) -> int:
    byte ^= 0x55
    segment, step = byte >> 4 & 7, byte & 0x0F
    value = (step << 4) + 8 if segment == 0 else (step << 4) + 0x108 << segment - 1
    return value if byte & 0x80 else -value


def _ulaw(byte: int) -> int:
    byte = ~byte & 0xFF
    value = (((byte & 0x0F) << 3) + 0x84 << (byte >> 4 & 7)) - 0x84
    return -value if byte & 0x80 else value


_TABLES = {
    FORMAT_ALAW: [_alaw(byte) for byte in range(256)],
    FORMAT_ULAW: [_ulaw(byte) for byte in range(256)],
}
