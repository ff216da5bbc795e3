"""Packs manifests into WebDataset shards, for disks that are slow with many small files.

A shard is a tar of ``00000012.flac`` (16 kHz, mono, 16 bits) and ``00000012.json`` (the utterance), as the library
``webdataset`` streams them. A manifest beside the shards addresses each clip by its bytes in them, so everything here
that reads files also reads packed clips, in any order: see :mod:`speechbrain_xser.data.member`.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from functools import cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import soundfile
from torch import Tensor

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.durations import UNREADABLE
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance, stream_manifest
from speechbrain_xser.data.member import Member, file_of, sound_digest
from speechbrain_xser.data.pipeline import DATA_ROOT, ClipItems, resolve
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.parallel import in_parallel

CLIPS_PER_SHARD = 1000  # about 100 MB for clips of four seconds
SOURCE = "source_sha256"
FULL_SCALE = 32768  # of 16 bits, so that 16-bit samples stay unchanged


class Shard(NamedTuple):
    """The content of one tar."""

    path: Path
    clips: dict[str, Utterance]  # by their name in the tar; wav is the path of the source


class PackedClip(NamedTuple):
    """A clip in a tar."""

    source: str | None  # SHA-256 of the file it was packed from
    sound: Member
    utterance: Utterance  # wav is its name in the tar


def pack(
    manifests: Mapping[str, str | os.PathLike],
    save_folder: str | os.PathLike,
    data_folder: str | os.PathLike | None = None,
    clips_per_shard: int = CLIPS_PER_SHARD,
    workers: int | None = None,
    seconds_per_shard: float | None = None,
) -> dict[str, str]:
    """Packs manifests and their sound into shards, with a new manifest for each; a second call changes nothing.

    An interrupted run continues: complete shards are not made again.

    Arguments
    ---------
    manifests : mapping of str to str or path-like
        Paths by name, as a preparation returns them; the names are prefixes of the shards' names.
    save_folder : str or path-like
        Where shards and manifests are written. It is the data folder of the new manifests.
    data_folder : str, path-like or None
        Replaces ``{data_root}`` in the given manifests; None for each manifest's own folder.
    clips_per_shard : int
        Number of clips in one tar.
    workers : int or None
        Shards packed at once; None for one per core.
    seconds_per_shard : float or None
        Instead of a number of clips: seconds of sound that a shard has at least, but for the last. Clips whose header
        cannot be read count as none.

    Returns
    -------
    dict of str to str
        Paths of the new manifests by name.

    Raises
    ------
    ManifestError
        If a manifest is invalid.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.data.manifest import read_manifest, write_manifest
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", torch.tensor([0.25, -0.25]).repeat(8000).numpy(), 16000)
    >>> write_manifest(folder / "train.jsonl", [Utterance("a", "a.wav", transcript="Go")])
    >>> [clip] = read_manifest(pack({"train": folder / "train.jsonl"}, folder / "packed", workers=1)["train"])
    >>> clip.wav, load_audio(resolve(clip, folder / "packed")).tolist() == [0.25, -0.25] * 8000
    ('{data_root}/train-000000.tar#512+...', True)
    """

    def build() -> Iterator[Utterance | Dropped]:
        for name, manifest in manifests.items():
            shards = _shards(name, manifest, Path(save_folder), data_folder, clips_per_shard, seconds_per_shard)
            for clips in in_parallel(_packed, shards, f"packing {name}", workers=workers):
                yield from (clip._replace(split=name) if isinstance(clip, Utterance) else clip for clip in clips)

    files = chain(map(Path, manifests.values()), _sounds(manifests, data_folder))
    by = {"clips_per_shard": clips_per_shard} if seconds_per_shard is None else {"seconds_per_shard": seconds_per_shard}
    return prepare_once(save_folder, by, files, build, list(manifests))


def _sounds(manifests: Mapping[str, str | os.PathLike], data_folder: str | os.PathLike | None) -> Iterator[Path]:
    """The files that contain the sound of manifests, once each, if they exist."""
    seen: set[str] = set()
    for manifest in manifests.values():
        base = Path(manifest).resolve().parent
        for clip in stream_manifest(manifest):
            if (path := file_of(resolve(clip, data_folder, base))) not in seen and os.path.exists(path):
                seen.add(path)
                yield Path(path)


def _shards(
    name: str, manifest, folder: Path, data_folder, clips_per_shard: int, seconds_per_shard: float | None
) -> Iterator[Shard]:
    """The manifest in pieces, one for each shard."""
    base, first = Path(manifest).resolve().parent, 0
    rows = (clip._replace(wav=resolve(clip, data_folder, base)) for clip in stream_manifest(manifest))
    for number, piece in enumerate(_pieces(rows, clips_per_shard, seconds_per_shard)):
        clips = {f"{first + place:08d}": clip for place, clip in enumerate(piece)}
        yield Shard(folder / f"{name.replace('/', '-')}-{number:06d}.tar", clips)
        first += len(piece)


def _pieces(rows: Iterator[Utterance], clips: int, seconds: float | None) -> Iterator[list[Utterance]]:
    """Rows with absolute paths, so many clips or seconds at a time.

    Example
    -------
    >>> rows = [Utterance(name, f"{name}.wav", duration=3.0) for name in "abcde"]
    >>> [[len(piece) for piece in _pieces(iter(rows), 2, seconds)] for seconds in (None, 7.0)]
    [[2, 2, 1], [3, 2]]
    """
    piece, held = [], 0.0
    for row in rows:
        piece.append(row)
        held += 0.0 if seconds is None else _seconds_of(row)
        if len(piece) == clips if seconds is None else held >= seconds:
            yield piece
            piece, held = [], 0.0
    if piece:
        yield piece


def _seconds_of(row: Utterance) -> float:
    return ClipItems([row])[row.id]["duration"]


def _packed(shard: Shard) -> list[Utterance | Dropped]:
    """A shard's clips with their new paths; the shard is written if it is missing."""
    dropped = [] if _is_whole(shard) else _write(shard)
    kept = [
        clip.utterance._replace(wav=f"{DATA_ROOT}/{clip.sound._replace(archive=shard.path.name).address}")
        for clip in _read(shard.path)
    ]
    return [*kept, *dropped]


def _is_whole(shard: Shard) -> bool:
    """Whether the tar has exactly these utterances, packed from the files' present bytes."""
    digest = cache(sound_digest)
    try:
        found = {(clip.utterance._replace(duration=None), clip.source) for clip in _read(shard.path)}
    except (OSError, tarfile.TarError, ValueError):
        return False
    clips = shard.clips.items()
    return found == {(_inside(name, clip)._replace(duration=None), digest(clip.wav)) for name, clip in clips}


def _inside(name: str, clip: Utterance, duration: float | None = None) -> Utterance:
    """An utterance as the tar stores it: a whole file, with its name in the tar."""
    return clip._replace(wav=f"{name}.flac", start=None, stop=None, duration=duration)


def _write(shard: Shard) -> list[Dropped]:
    """Writes the tar and moves it into place; returns the clips that cannot be read."""
    dropped, digest = [], cache(sound_digest)
    with moved_into_place(shard.path) as beside, tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, clip in shard.clips.items():
            try:
                wave = load_audio(clip.wav, clip.start, clip.stop, keep_offset=True)
            except AudioError as error:
                dropped.append(Dropped(clip.id, UNREADABLE, str(error), fault=True))
                continue
            inside = _inside(name, clip, round(len(wave) / SAMPLE_RATE, 4))
            _add(tar, inside.wav, _flac(wave))
            fields = inside._asdict() | {SOURCE: digest(clip.wav)}
            _add(tar, f"{name}.json", json.dumps(fields, ensure_ascii=False).encode())
    return dropped


def _flac(wave: Tensor) -> bytes:
    samples = (wave * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1).short().numpy()
    soundfile.write(content := BytesIO(), samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, BytesIO(content))


def _read(path: Path) -> Iterator[PackedClip]:
    """The clips of a tar, without reading their sound."""
    with tarfile.open(path, "r:") as tar:
        sound = None
        for member in tar:
            if member.name.endswith(".flac"):
                sound = Member(str(path), member.offset_data, member.size)
                continue
            fields = json.load(tar.extractfile(member))
            source, emphasis = fields.pop(SOURCE, None), fields["emphasis"]
            yield PackedClip(source, sound, Utterance(**fields | {"emphasis": emphasis and tuple(emphasis)}))
