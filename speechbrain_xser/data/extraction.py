"""The speech of video files, decoded once and kept as 16 kHz mono FLAC.

A FLAC that is there is whole (written beside, then moved into place), so a killed run goes on where it was. It is made
again only where its video is newer, and stays where its video is gone.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import soundfile
from torchaudio.functional import resample

from speechbrain_xser.data.audio import SAMPLE_RATE, check_wave, seconds_of
from speechbrain_xser.data.video import load_voice


class Extracted(NamedTuple):
    """What the extraction of one clip gave."""

    seconds: float  # of sound
    cpu_seconds: float | None  # spent on it; None if it was there already


def extract_voice(video: str | os.PathLike, flac: str | os.PathLike) -> Extracted:
    """Writes the speech of a video beside others of its corpus, unless that was done.

    Arguments
    ---------
    video : str or path-like
        Anything that :func:`~speechbrain_xser.data.video.load_voice` reads.
    flac : str or path-like
        Where it goes; folders are made.

    Returns
    -------
    Extracted

    Raises
    ------
    AudioError
        If the video cannot be read; nothing is written then.

    Example
    -------
    >>> import torch
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "video.wav", torch.zeros(24000, 2).numpy(), 48000)
    >>> first, again = (extract_voice(folder / "video.wav", folder / "audio" / "a.flac") for _ in range(2))
    >>> first.seconds, again, soundfile.info(folder / "audio" / "a.flac").samplerate
    (0.5, Extracted(seconds=0.5, cpu_seconds=None), 16000)
    """
    if _is_done(video, flac):
        return Extracted(seconds_of(flac), None)
    started = time.thread_time()
    voice = load_voice(video)
    wave = check_wave(resample(voice.samples, voice.sample_rate, SAMPLE_RATE), video)
    Path(flac).parent.mkdir(parents=True, exist_ok=True)
    beside = f"{os.fspath(flac)}.part"
    soundfile.write(beside, wave.numpy(), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    os.replace(beside, flac)
    return Extracted(len(wave) / SAMPLE_RATE, time.thread_time() - started)


def _is_done(video: str | os.PathLike, flac: str | os.PathLike) -> bool:
    if not (os.path.exists(flac) and os.path.exists(video)):
        return os.path.exists(flac)
    return os.path.getmtime(flac) >= os.path.getmtime(video)
