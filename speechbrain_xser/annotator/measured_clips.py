"""The clips of manifests, each with a key that shows whether it has been measured already."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

from speechbrain_xser.data.manifest import Utterance, stream_manifest
from speechbrain_xser.data.member import sound_digest
from speechbrain_xser.data.pipeline import resolve

VERSION = 3  # of the measurements; raising it measures every clip again


class MeasuredClip(NamedTuple):
    """What a worker needs to know about one clip."""

    key: str  # a digest of path, bytes, segment, transcript, language and version
    path: str
    start: float | None
    stop: float | None
    transcript: str | None
    language: str


Rows = Callable[[], Iterator[tuple[Utterance, MeasuredClip]]]  # each call reads a manifest from its start


def clip_of(
    utterance: Utterance,
    data_folder: str | os.PathLike | None,
    folder: str | os.PathLike,
    language: str = "en",
    digest: Callable[[str], str] = sound_digest,
) -> MeasuredClip:
    """Where an utterance's sound is, and its key; a cached ``digest`` reads a recording of many segments once."""
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
    """Yields a manifest's lines, each with its clip; an invalid line raises a ``ManifestError`` when it is reached."""
    folder = os.path.dirname(os.path.abspath(path))
    for row in stream_manifest(path):
        yield row, clip_of(row, data_folder, folder, language, digest)


def each_clip(rows: dict[str, Rows]) -> Iterator[tuple[Utterance, MeasuredClip]]:
    """Yields every clip once, however many manifests it is in."""
    seen: set[str] = set()
    for read in rows.values():
        for row, clip in read():
            if clip.key not in seen:
                seen.add(clip.key)
                yield row, clip
