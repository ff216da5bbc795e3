"""Extracts the speech of video files, decoded once and stored as 16 kHz mono FLAC.

A FLAC that exists is whole (written to a temporary file, then moved), so an interrupted run continues where it stopped.
The FLAC's comment is the digest of the video's bytes: it is made again only if the video changed, and kept if the video
is gone. It holds the whole clip. A clip that is too long is cut by its line in the manifest, so another limit decodes
nothing again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import soundfile

from speechbrain_xser.data.audio import seconds_of, stream_audio
from speechbrain_xser.data.durations import UNREADABLE
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.member import sound_digest
from speechbrain_xser.data.preparation import extend_summary
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.parallel import in_parallel

logger = logging.getLogger(__name__)


class Film(NamedTuple):
    """An utterance whose sound is still in a video."""

    utterance: Utterance  # its wav is the path of the FLAC
    video: Path


class Extracted(NamedTuple):
    """The result of extracting one clip."""

    seconds: float  # length of the sound
    cpu_seconds: float | None  # spent on decoding; None if the FLAC existed already


def extract_voice(video: str | os.PathLike, flac: str | os.PathLike) -> Extracted:
    """Writes the speech of a video as FLAC, unless that is done already; folders are created.

    Raises
    ------
    AudioError
        If the video cannot be read; then nothing is written.
    """
    digest = sound_digest(video)
    if _is_done(flac, digest):
        return Extracted(seconds_of(flac), None)
    started = time.process_time()
    pieces = stream_audio(video, keep_offset=True)
    first, samples = next(pieces), 0
    Path(flac).parent.mkdir(parents=True, exist_ok=True)
    with (
        moved_into_place(flac) as beside,
        soundfile.SoundFile(beside, "w", SAMPLE_RATE, 1, format="FLAC", subtype="PCM_16") as file,
    ):
        file.comment = digest
        for piece in chain([first], pieces):
            file.write(piece.numpy())
            samples += len(piece)
    return Extracted(samples / SAMPLE_RATE, time.process_time() - started)


def _is_done(flac: str | os.PathLike, digest: str) -> bool:
    """Whether the FLAC exists and belongs to the video with this digest, which is "" if the video is gone."""
    try:
        with soundfile.SoundFile(flac) as file:
            return digest in ("", file.comment)
    except soundfile.LibsndfileError:  # not there, or half a file
        return False


class Extraction:
    """The speech of many videos, with a record of what is cut and how long decoding took.

    Arguments
    ---------
    films : list of Film
        The videos.
    max_seconds : float or None
        Longer clips are cut to this length; None for no limit.

    Example
    -------
    >>> import torch
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "video.wav", torch.zeros(48000, 2).numpy(), 48000)
    >>> film = Film(Utterance("a", str(folder / "a.flac")), folder / "video.wav")
    >>> extraction = Extraction([film], max_seconds=0.5)
    >>> [clip] = extraction
    >>> clip.stop, extraction.cut, soundfile.info(clip.wav).frames
    (0.5, {'a': 1.0}, 16000)
    """

    def __init__(self, films: list[Film], max_seconds: float | None):
        self.films, self.max_seconds = films, max_seconds
        self.cut: dict[str, float] = {}  # seconds before the cut, by id
        self.cpu_seconds: list[float] = []  # one for each clip that was decoded

    def __iter__(self) -> Iterator[Utterance | Dropped]:
        found = in_parallel(_extract, self.films, "extracting speech", len(self.films))
        for film, extracted in zip(self.films, found, strict=True):
            yield extracted if isinstance(extracted, Dropped) else self._counted(film.utterance, extracted)

    def _counted(self, utterance: Utterance, extracted: Extracted) -> Utterance:
        if extracted.cpu_seconds is not None:
            self.cpu_seconds.append(extracted.cpu_seconds)
        if self.max_seconds is None or extracted.seconds <= self.max_seconds:
            return utterance._replace(duration=round(extracted.seconds, 4))
        self.cut[utterance.id] = round(extracted.seconds, 2)
        logger.warning("%s: %.1f s, cut to the first %g s", utterance.id, extracted.seconds, self.max_seconds)
        return utterance._replace(start=0.0, stop=self.max_seconds, duration=self.max_seconds)

    def note(self, save_folder: str | os.PathLike, paths: dict[str, str]) -> None:
        """Adds both records to ``summary.json``; for the ``finish`` of :func:`prepare_once`.

        Arguments
        ---------
        save_folder : str or path-like
            Folder of the summary.
        paths : dict of str to str
            Paths of the manifests; ignored.
        """
        count = len(self.cpu_seconds)
        mean = round(1000 * sum(self.cpu_seconds) / count, 2) if count else None
        account = {
            "cut": {"max_seconds": self.max_seconds, "clips": len(self.cut), "seconds": self.cut},
            "extraction": {"clips": count, "cpu_milliseconds_per_clip": mean},
        }
        extend_summary(save_folder, account)


def _extract(film: Film) -> Extracted | Dropped:
    try:
        return extract_voice(film.video, film.utterance.wav)
    except AudioError as error:
        return Dropped(film.utterance.id, UNREADABLE, str(error), fault=True)
