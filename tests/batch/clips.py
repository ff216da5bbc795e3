"""Short clips for tests: number n has 100 n samples more than 1,600."""

import io
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def samples(number: int) -> int:
    return 1600 + 100 * number


def content(number: int) -> bytes:
    """A FLAC file."""
    wave = np.random.default_rng(number).uniform(-0.1, 0.1, samples(number))
    soundfile.write(file := io.BytesIO(), wave, RATE, format="FLAC")
    return file.getvalue()


def write_clips(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02d}.flac" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(content(number))
    return paths
