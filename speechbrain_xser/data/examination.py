"""One clip as the data doctor looks at it: whether it can be read, and what is in it."""

from __future__ import annotations

import os
from hashlib import sha1
from typing import NamedTuple

import numpy as np

from speechbrain_xser.data.audio import load_audio, read_header
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.member import file_of
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError, ManifestError

FULL_SCALE = 0.999  # a sample from here on is at the end of the converter's range
CLIPPED_RUN = 3  # samples in a row at full scale: a peak that just touches it has fewer


class Examination(NamedTuple):
    """What was found in one clip; numbers are 0 where it cannot be read."""

    fault: str | None = None  # why it cannot be read
    missing: bool = False  # there is no such file
    seconds: float = 0.0
    sample_rate: int = 0  # the file's own
    channels: int = 0
    peak: float = 0.0  # of full scale
    clipped: bool = False  # at least three samples in a row at full scale
    digest: str = ""  # equal for equal sound, whatever the file's name and format


def examine(utterance: Utterance, data_folder: str | os.PathLike | None, base: str | os.PathLike) -> Examination:
    """Reads one clip and looks at its samples.

    Arguments
    ---------
    utterance : Utterance
        Of a manifest; only its segment is read.
    data_folder : str, path-like or None
        What ``{data_root}`` stands for.
    base : str or path-like
        What relative paths start from without a data folder.

    Returns
    -------
    Examination

    Example
    -------
    >>> examine(Utterance("a", "missing.wav"), None, "/nowhere").missing
    True
    """
    try:
        path = resolve(utterance, data_folder, base)
        if not os.path.exists(file_of(path)):
            return Examination(f"{path}: no such file", missing=True)
        header = read_header(path)
        wave = load_audio(path, utterance.start, utterance.stop, header.sample_rate).numpy()
    except (AudioError, ManifestError) as error:
        return Examination(str(error))
    return Examination(
        seconds=len(wave) / header.sample_rate,
        sample_rate=header.sample_rate,
        channels=header.channels,
        peak=float(np.abs(wave).max()),
        clipped=_clipped(wave),
        digest=sha1(wave.tobytes(), usedforsecurity=False).hexdigest(),
    )


def _clipped(wave: np.ndarray) -> bool:
    full = np.abs(wave) >= FULL_SCALE
    return bool(np.convolve(full, np.ones(CLIPPED_RUN), "valid").max(initial=0) >= CLIPPED_RUN) if full.any() else False
