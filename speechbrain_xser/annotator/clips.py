"""The clips of manifests, each under a key that tells whether it was measured already."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

from speechbrain_xser.data.manifest import Utterance, stream_manifest
from speechbrain_xser.data.member import sound_digest
from speechbrain_xser.data.pipeline import resolve

VERSION = 3  # of the measurements; another one measures everything again


class MeasuredClip(NamedTuple):
    """What a worker needs of one clip."""

    key: str  # equal for equal bytes at one path, segment, transcript, language and version
    path: str
    start: float | None
    stop: float | None
    transcript: str | None
    language: str


Rows = Callable[[], Iterator[tuple[Utterance, MeasuredClip]]]  # reads a manifest from its start


def clip_of(
    utterance: Utterance,
    data_folder: str | os.PathLike | None,
    folder: str | os.PathLike,
    language: str = "en",
    digest: Callable[[str], str] = sound_digest,
) -> MeasuredClip:
    """Where an utterance's sound is, and the key of its measures.

    Arguments
    ---------
    utterance : Utterance
        Of a manifest.
    data_folder : str, path-like or None
        What ``{data_root}`` stands for.
    folder : str or path-like
        Where the manifest lies.
    language : str
        Of the transcript.
    digest : Callable
        Gives that of a path's bytes; a cached one reads a recording of many segments once.

    Returns
    -------
    MeasuredClip

    Example
    -------
    >>> clip_of(Utterance("a", "a.wav"), None, "/corpus").path
    '/corpus/a.wav'
    """
    path = resolve(utterance, data_folder, folder)
    known = [VERSION, path, digest(path), utterance.start, utterance.stop, utterance.transcript, language]
    key = sha256(json.dumps(known).encode()).hexdigest()[:24]
    return MeasuredClip(key, path, utterance.start, utterance.stop, utterance.transcript, language)


def read_rows(
    path: str | os.PathLike,
    data_folder: str | os.PathLike | None,
    language: str,
    digest: Callable[[str], str] = sound_digest,
) -> Iterator[tuple[Utterance, MeasuredClip]]:
    """A manifest line by line, each line with its clip.

    Arguments
    ---------
    path : str or path-like
        The manifest.
    data_folder : str, path-like or None
        What ``{data_root}`` stands for; None for the manifest's own folder.
    language : str
        Of the transcripts.
    digest : Callable
        As for :func:`clip_of`.

    Yields
    ------
    tuple of (Utterance, MeasuredClip)

    Raises
    ------
    ManifestError
        When a wrong line is reached.
    """
    folder = os.path.dirname(os.path.abspath(path))
    for row in stream_manifest(path):
        yield row, clip_of(row, data_folder, folder, language, digest)


def each_clip(rows: dict[str, Rows]) -> Iterator[tuple[Utterance, MeasuredClip]]:
    """Every clip once, however many manifests it is in.

    Arguments
    ---------
    rows : dict of str to Callable
        By manifest, what :func:`read_rows` gives.

    Yields
    ------
    tuple of (Utterance, MeasuredClip)
        As it first comes up.

    Example
    -------
    >>> row = Utterance("a", "a.wav")
    >>> read = lambda: iter([(row, clip_of(row, None, "/corpus"))])
    >>> [clip.path for _, clip in each_clip({"train": read, "fold_1/train": read})]
    ['/corpus/a.wav']
    """
    seen: set[str] = set()
    for read in rows.values():
        for row, clip in read():
            if clip.key not in seen:
                seen.add(clip.key)
                yield row, clip
