"""Examines one clip for the data doctor: whether it can be read, and what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha1
from typing import NamedTuple

import numpy as np
from torch import Tensor

from speechbrain_xser.data.audio import Header, read_header, stream_audio
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.member import file_of
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError, ManifestError

FULL_SCALE = 0.999  # a sample at least this large is at the limit of the converter's range
CLIPPED_RUN = 3  # samples in a row at full scale; a peak that just reaches it has fewer


class Examination(NamedTuple):
    """What was found in one clip; numbers are 0 if it cannot be read."""

    fault: str | None = None  # why it cannot be read
    missing: bool = False  # whether there is no such file
    seconds: float = 0.0
    sample_rate: int = 0  # the file's own
    channels: int = 0
    peak: float = 0.0  # of full scale
    clipped: bool = False  # at least three samples in a row at full scale
    digest: str = ""  # equal for equal sound, whatever the name and format of the file


def examine(utterance: Utterance, data_folder: str | os.PathLike | None, base: str | os.PathLike) -> Examination:
    """Reads the segment of one clip and examines its samples; ``base`` is where relative paths start."""
    try:
        path = resolve(utterance, data_folder, base)
        if not os.path.exists(file_of(path)):
            return Examination(f"{path}: no such file", missing=True)
        header = read_header(path)
        pieces = stream_audio(path, utterance.start, utterance.stop, header.sample_rate)
        return _examined(map(Tensor.numpy, pieces), header)
    except (AudioError, ManifestError) as error:
        return Examination(str(error))


def _examined(pieces: Iterable[np.ndarray], header: Header) -> Examination:
    samples, peak, clipped, digest = 0, 0.0, False, sha1(usedforsecurity=False)
    before = np.zeros(0, np.float32)  # the last samples of the piece before, with which a run may begin
    for piece in pieces:
        samples, peak = samples + len(piece), max(peak, float(np.abs(piece).max(initial=0)))
        clipped = clipped or _clipped(np.concatenate([before, piece]))
        before = piece[1 - CLIPPED_RUN :]
        digest.update(piece.tobytes())
    return Examination(
        seconds=samples / header.sample_rate,
        sample_rate=header.sample_rate,
        channels=header.channels,
        peak=peak,
        clipped=clipped,
        digest=digest.hexdigest(),
    )


def _clipped(wave: np.ndarray) -> bool:
    full = np.abs(wave) >= FULL_SCALE
    return bool(np.convolve(full, np.ones(CLIPPED_RUN), "valid").max(initial=0) >= CLIPPED_RUN) if full.any() else False
