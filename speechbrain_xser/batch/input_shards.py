"""Cuts inputs into shards: the unit that is read, done and written at once.

A WebDataset tar is a shard, and so is a Parquet file. A manifest is cut into pieces of its lines, and the sound files
of a folder into pieces of the sorted list. The same inputs give the same shards, whoever cuts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby, islice
from typing import Literal, NamedTuple

from speechbrain_xser.batch.storage import StoredFile, find_files, is_web, opened_file, web_copy
from speechbrain_xser.utils.files import file_digest

SUFFIXES = (".tar", ".parquet", ".jsonl")  # besides those of sound
CLIPS = 256


class InputShard(NamedTuple):
    """Some of the inputs."""

    number: int
    kind: Literal["sounds", "manifest", "tar", "parquet"]
    paths: tuple[str, ...]  # of sound files; or of the one manifest, tar or Parquet file
    start: int = 0  # first byte of a piece of a manifest
    stop: int = 0  # behind its last byte
    line: int = 1  # number of its first line


class Plan(NamedTuple):
    """All shards of some inputs."""

    shards: list[InputShard]
    digest: str  # of the inputs' names, sizes and times


def plan_shards(sources: Sequence[str], clips: int = CLIPS) -> Plan:
    """Cuts the inputs that a command line names.

    Arguments
    ---------
    sources : sequence of str
        Folders, manifests (.jsonl), tars, Parquet files and sound files, by path or address. In a folder, tars and
        Parquet files count as well as sound files; manifests do not.
    clips : int
        Sound files, or lines of a manifest, in a shard.

    Returns
    -------
    Plan

    Raises
    ------
    BatchError
        If a source cannot be reached, or nothing is in it.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a.wav", "b.wav", "c.wav", "d.tar"):
    ...     (folder / name).touch()
    >>> [(shard.kind, len(shard.paths)) for shard in plan_shards([str(folder)], clips=2).shards]
    [('sounds', 2), ('sounds', 1), ('tar', 1)]
    """
    web_copy.cache_clear()
    files = [file for source in sources for file in find_files(source, SUFFIXES[: None if _is_manifest(source) else 2])]
    shards = [shard._replace(number=number) for number, shard in enumerate(_shards(files, clips))]
    states = (_digest(file.path) if is_web(file.path) and _is_manifest(file.path) else file.state for file in files)
    listing = "\n".join(f"{file.path} {state}" for file, state in zip(files, states, strict=True))
    return Plan(shards, sha256(f"{clips}\n{listing}".encode(errors="backslashreplace")).hexdigest())


def _is_manifest(path: str) -> bool:
    return _kind(path) == "manifest"


def _digest(path: str) -> str:
    """Of a manifest on the web, which has no time of its own."""
    with opened_file(path) as file:
        return file_digest(file.name)


def _kind(path: str) -> str:
    kinds = dict(zip(SUFFIXES, ("tar", "parquet", "manifest"), strict=True))
    return next((kind for suffix, kind in kinds.items() if path.partition("?")[0].endswith(suffix)), "sounds")


def _shards(files: Iterable[StoredFile], clips: int) -> Iterator[InputShard]:
    for kind, group in groupby((file.path for file in files), _kind):
        if kind == "sounds":
            while piece := tuple(islice(group, clips)):
                yield InputShard(0, kind, piece)
        elif kind == "manifest":
            for path in group:
                yield from _pieces(path, clips)
        else:
            yield from (InputShard(0, kind, (path,)) for path in group)


def _pieces(path: str, clips: int) -> Iterator[InputShard]:
    """A manifest in pieces, by the bytes where lines end."""
    start, line = 0, 1
    with opened_file(path) as file:
        while sizes := [len(text) for text in islice(file, clips)]:
            stop = start + sum(sizes)
            yield InputShard(0, "manifest", (path,), start, stop, line)
            start, line = stop, line + len(sizes)
