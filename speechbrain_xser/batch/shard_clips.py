"""The clips of one input shard: those of the cloud fetched into a folder, what cannot be read told as such."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.storage import joined_path, local_copy, name_of, opened_file, parent_of
from speechbrain_xser.data.addresses import is_address
from speechbrain_xser.data.formats import has_sound_suffix
from speechbrain_xser.data.manifest import Utterance, checked_fields, parse_line
from speechbrain_xser.data.member import Member
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError, ManifestError
from speechbrain_xser.explaining.clips import SourceClip
from speechbrain_xser.utils.user_file import printable

FETCHED = 16  # files of the cloud at a time
ROWS = 64  # of a Parquet file at a time
SOUND_COLUMNS = ("audio", "wav", "path", "file", "bytes")
BLOCK = 512  # bytes of a tar


class BatchClip(NamedTuple):
    """A clip of a shard."""

    clip: SourceClip  # its path is local; it has a fault if it cannot be read
    utterance: Utterance  # what the input knows of it


def shard_clips(shard: InputShard, folder: Path, data_folder: str | None = None) -> list[BatchClip]:
    """The clips of a shard, in its order.

    Arguments
    ---------
    shard : InputShard
        From :func:`~speechbrain_xser.batch.input_shards.plan_shards`.
    folder : Path
        For copies of what is in the cloud and of sound inside Parquet files; the caller removes it.
    data_folder : str, optional
        Replaces ``{data_root}`` in manifests, and is the base of relative paths.

    Returns
    -------
    list of BatchClip
        A clip that cannot be read has a fault, and so has a tar or Parquet file, or its rest.

    Raises
    ------
    BatchError, OSError
        If the inputs cannot be reached, or the disk is full: another try may go better.

    Example
    -------
    >>> [found] = shard_clips(InputShard(0, "sounds", ("nowhere.wav",)), getfixture("tmp_path"))
    >>> found.utterance.id, found.clip.path
    ('nowhere.wav', 'nowhere.wav')
    """
    if shard.kind == "tar":
        return list(_of_tar(shard.paths[0], folder))
    if shard.kind == "parquet":
        return list(_of_parquet(shard.paths[0], folder))
    found = _of_manifest(shard, data_folder) if shard.kind == "manifest" else map(_named, shard.paths)
    with ThreadPoolExecutor(FETCHED) as threads:
        return list(threads.map(lambda pair: _brought(*pair, folder), enumerate(found)))


def _named(path: str) -> BatchClip:
    name = name_of(path)
    return BatchClip(SourceClip(name, path), Utterance(name, name))


def _faulty(id: str, name: str, fault: str) -> BatchClip:
    return BatchClip(SourceClip(name, name, fault), Utterance(id, name))


def _brought(place: int, found: BatchClip, folder: Path) -> BatchClip:
    """The clip as a local file."""
    if found.clip.fault is not None or not is_address(found.clip.path):
        return found
    try:
        return found._replace(clip=found.clip._replace(path=local_copy(found.clip.path, folder, f"{place}")))
    except AudioError as error:
        return found._replace(clip=found.clip._replace(fault=str(error)))


def _of_manifest(shard: InputShard, data_folder: str | None) -> Iterator[BatchClip]:
    [path] = shard.paths
    with opened_file(path) as file:
        file.seek(shard.start)
        lines = file.read(shard.stop - shard.start).splitlines()
    for number, line in enumerate(lines, start=shard.line):
        if not line.strip():
            continue
        where = f"{name_of(path)}, line {number}"
        try:
            row = parse_line(line.decode(), where)
            wav = row.wav if is_address(row.wav) else resolve(row, data_folder, parent_of(path))
            yield BatchClip(SourceClip(name_of(wav), wav, start=row.start, stop=row.stop), row)
        except UnicodeDecodeError:
            yield _faulty(where, where, f"{where}: not UTF-8. Save it as UTF-8.")
        except ManifestError as error:
            yield _faulty(where, where, str(error))


def _of_tar(path: str, folder: Path) -> Iterator[BatchClip]:
    """The clips of a tar: files of one name up to its first dot are one, as in WebDataset."""
    name, count = name_of(path), 0
    local = local_copy(path, folder, "shard.tar")
    try:
        with tarfile.open(local, "r:") as tar:
            key, parts = None, {}
            for member in tar:
                if not member.isfile():
                    continue
                if (found := _key(member.name)) != key and parts:
                    yield _of_parts(tar, key, parts, name, local)
                    count, parts = count + 1, {}
                key, parts[member.name] = found, member
            if parts:
                yield _of_parts(tar, key, parts, name, local)
                count += 1
            _check_end(local, tar.offset)
    except (tarfile.TarError, EOFError) as error:
        told = f"{name}: cut off or no tar, after {count} clips ({error}). Pack or download it again."
        yield _faulty(name, name, told)


def _key(member: str) -> str:
    folder, slash, name = member.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _check_end(path: str, offset: int) -> None:
    """A tar ends with blocks of zeros; one that was cut lacks them, and a damaged one has something else."""
    with open(path, "rb") as file:
        file.seek(offset)
        if file.read(BLOCK) != bytes(BLOCK):
            raise tarfile.ReadError("its end is missing")


def _of_parts(tar: tarfile.TarFile, key: str, parts: dict[str, tarfile.TarInfo], name: str, local: str) -> BatchClip:
    """A clip of a tar from its sound and, if there is one, its JSON or text."""
    told = f"{name}/{printable(key)}"
    sound = next((member for file, member in parts.items() if has_sound_suffix(file)), None)
    if sound is None:
        return _faulty(key, told, f"{told}: no sound in the tar, only {', '.join(map(printable, parts))}.")
    try:
        fields = _fields(tar, parts, told)
    except ManifestError as error:
        return _faulty(key, told, str(error))
    place = Member(local, sound.offset_data, sound.size).address
    try:
        row = known_of(fields, key, told)
    except ManifestError as error:
        return _faulty(key, told, str(error))
    return BatchClip(SourceClip(f"{name}/{printable(sound.name)}", place), row._replace(start=None, stop=None))


def _fields(tar: tarfile.TarFile, parts: dict[str, tarfile.TarInfo], where: str) -> dict:
    for file, member in parts.items():
        try:
            if file.endswith(".json"):
                found = json.load(tar.extractfile(member))
                return found if isinstance(found, dict) else {}
            if file.endswith(".txt"):
                return {"transcript": tar.extractfile(member).read().decode().strip()}
        except (ValueError, RecursionError, tarfile.TarError) as error:
            raise ManifestError(f"{where}: {printable(file)} cannot be read ({error}). Pack it again.") from error
    return {}


def known_of(fields: dict[str, Any], id: str, where: str) -> Utterance:
    """What foreign fields tell of a clip: those that a manifest has too, checked; ``text`` is its transcript.

    Example
    -------
    >>> known_of({"text": "hello", "url": "x"}, "a", "row 1").transcript
    'hello'
    """
    known = {name: value for name, value in fields.items() if name in Utterance._fields and name != "wav"}
    known.setdefault("transcript", fields.get("text"))
    return checked_fields(known | {"id": str(known.get("id") or id), "wav": where}, where)


def _of_parquet(path: str, folder: Path) -> Iterator[BatchClip]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    name, number = name_of(path), 0
    local = local_copy(path, folder, "shard.parquet")
    try:
        with ParquetFile(local) as file:
            column = next((one for one in SOUND_COLUMNS if one in file.schema_arrow.names), None)
            if column is None:
                found = ", ".join(file.schema_arrow.names)
                raise pyarrow.ArrowInvalid(f"columns {found}; expected one of {', '.join(SOUND_COLUMNS)}")
            for batch in file.iter_batches(ROWS):
                for fields in batch.to_pylist():
                    yield _of_row(fields, column, f"{name}#{number}", parent_of(path), folder)
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of the file's content
            raise
        told = " ".join(str(error).split())
        yield _faulty(name, name, f"{name}: cut off or no Parquet file, after {number} rows ({told}).")


def _of_row(fields: dict[str, Any], column: str, told: str, base: str, folder: Path) -> BatchClip:
    """A row's clip: its sound is bytes, a path, or, as in Hugging Face's data sets, one of both."""
    sound = fields.pop(column)
    content, path = (sound.get("bytes"), sound.get("path")) if isinstance(sound, dict) else (sound, sound)
    id = told.rpartition("/")[2]
    try:
        row = known_of({**fields, "emphasis": fields.get("emphasis") or None}, id, told)
        if isinstance(content, bytes):
            copy = folder / f"row-{told.rpartition('#')[2]}"
            copy.write_bytes(content)
            return BatchClip(SourceClip(told, os.fspath(copy), start=row.start, stop=row.stop), row)
        if not isinstance(path, str):
            raise ManifestError(f"{told}: {column} holds no sound. Expected its bytes or its path.")
    except ManifestError as error:
        return _faulty(id, told, str(error))
    place = joined_path(base, path)
    found = BatchClip(SourceClip(name_of(place), place, start=row.start, stop=row.stop), row)
    return _brought(int(told.rpartition("#")[2]), found, folder)
