"""A recording's sound inside a page: Ogg Opus, 16 kHz mono, as a data URL."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path

import soundfile

from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.timeline.recording import Recording


def opus_address(path: str | os.PathLike, track: int | None = None) -> str:
    """A data URL that holds a recording.

    Arguments
    ---------
    path : str or path-like
        Anything that ``load_audio`` reads; what is damaged goes as far as it can be read.
    track : int or None
        As for ``load_audio``.

    Returns
    -------
    str
        About 20 megabytes an hour.

    Raises
    ------
    AudioError
        If it cannot be read at all.

    Example
    -------
    >>> import torch
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(8000).numpy(), 8000)
    >>> opus_address(path)[:27]
    'data:audio/ogg;base64,T2dnU'
    """
    with tempfile.TemporaryDirectory() as folder:
        encoded = Path(folder, "sound.ogg")
        with soundfile.SoundFile(encoded, "w", SAMPLE_RATE, 1, format="OGG", subtype="OPUS") as file:
            for block in Recording(path, track=track).blocks():
                file.write(block.clamp(-1, 1).numpy())
        return f"data:audio/ogg;base64,{base64.b64encode(encoded.read_bytes()).decode()}"
