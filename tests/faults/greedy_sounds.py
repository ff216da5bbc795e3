"""Small files that once took gigabytes, and ordinary ones beside them; written by hand where no encoder would do so."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

SILENT_OPUS = bytes([0b00001_0_11, 0b1_0_000110, 0, 0, 0, 0, 0, 0])  # six empty frames of 20 ms, RFC 6716 section 3.2


def eighty_bits(rate: int) -> bytes:
    """A whole number as AIFF writes its rate, in 80-bit floating point."""
    exponent = rate.bit_length() - 1 if rate else -16383
    return struct.pack(">HQ", 16383 + exponent, rate << (63 - exponent) if rate else 0)


def aiff(
    path: Path, rate: int = 800_000_000, channels: int = 1, frames: int = 4_000_000_000, size: int = 16384
) -> None:
    """An AIFF of 8 bits whose header promises more frames than it has."""
    common = b"COMM" + struct.pack(">IhIh", 18, channels, frames, 8) + eighty_bits(rate)
    sound = b"SSND" + struct.pack(">III", 8 + size, 0, 0) + bytes(size)
    path.write_bytes(b"FORM" + struct.pack(">I", 4 + len(common) + len(sound)) + b"AIFF" + common + sound)


def wav(path: Path, rate: int = 16000, channels: int = 1, frames: int = 16000, codec: int = 1) -> None:
    """A WAV of 16 bits with any numbers in its header."""
    data = bytes(2 * frames)
    head = struct.pack("<HHIIHH", codec, channels, rate, rate * 2 * channels % 2**32, 2 * channels % 2**16, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def silence(path: Path, rate: int, channels: int, seconds: float, **form: str) -> None:
    """Digital silence, which every codec packs into almost nothing."""
    with soundfile.SoundFile(path, "w", rate, channels, **form) as file:
        left, block = round(rate * seconds), max(1, 2**20 // channels)
        while left:
            file.write(np.zeros((min(left, block), channels), "float32"))
            left -= min(left, block)


def lying_webm(path: Path, seconds: float, told: str | None = "00:00:02.000000000") -> None:
    """A WebM of silence with another length in its tag, and none in its header, as if streamed."""
    with av.open(str(path), "w", format="webm", options={"live": "0"}) as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        for number in range(round(seconds / 0.12)):
            packet = av.Packet(SILENT_OPUS)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = 120 * number
            packet.duration = 120
            container.mux(packet)
    if told is not None:
        content = path.read_bytes()
        place = content.rindex(b"DURATION") + len(b"DURATION") + 3
        path.write_bytes(content[:place] + told.encode()[: len("00:00:02.000000000")] + content[place + 18 :])


def tone(path: Path, rate: int, channels: int, seconds: float, **form: str) -> None:
    """A noisy tone, a block at a time."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, channels, **form) as file:
        for second in range(round(seconds)):
            line = 0.3 * np.sin(440 * 2 * np.pi * (second + np.arange(rate) / rate))
            file.write(0.01 * random.standard_normal((rate, channels)) + line[:, None])


GREEDY: dict[str, Callable[[Path], None]] = {
    "aiff_800_mhz.aiff": aiff,
    "ogg_64_channels.ogg": lambda path: silence(path, 48000, 64, 29.0, format="OGG", subtype="VORBIS"),
    "ogg_32_channels.ogg": lambda path: silence(path, 48000, 32, 29.0, format="OGG", subtype="VORBIS"),
    "flac_655_khz.flac": lambda path: silence(path, 655350, 8, 29.0, format="FLAC"),
    "webm_lies_2_hours.webm": lambda path: lying_webm(path, 7200),
    "webm_states_nothing.webm": lambda path: lying_webm(path, 1200, "x"),
    "wav_19996_hz.wav": lambda path: wav(path, 19996, 1, 19996),
    "flac_192_khz.flac": lambda path: silence(path, 192000, 8, 29.0, format="FLAC"),
}
