"""The clips of a WebDataset tar."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from speechbrain_xser.batch.batch_clip import BatchClip, faulty, known_of
from speechbrain_xser.batch.storage import LARGE, local_copy, name_of
from speechbrain_xser.data.formats import has_sound_suffix
from speechbrain_xser.data.member import Member
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.explaining.clips import SourceClip
from speechbrain_xser.utils.user_file import printable

SENSELESS = (ValueError, OverflowError)  # what some headers raise
BLOCK = 512  # bytes of a tar
TEXT_BYTES = 1 << 20  # of a clip's JSON or text


def tar_clips(path: str, folder: Path) -> Iterator[BatchClip]:
    """The clips of a tar: files of one name up to its first dot are one, as in WebDataset.

    Raises
    ------
    AudioError, BatchError
        If it cannot be reached.

    Yields
    ------
    BatchClip
        The last one is a fault if the tar is cut off or damaged.
    """
    name, count, faults = name_of(path), 0, []
    local = local_copy(path, folder, "shard.tar", LARGE)
    try:
        with tarfile.open(local, "r:") as tar:
            for key, group in groupby(_files(tar, faults), lambda member: _key(member.name)):
                yield _of_parts(tar, key, {member.name: member for member in group}, name, local)
                count += 1
            if faults:
                raise faults[0]
            _check_end(local, tar.offset)
    except (tarfile.TarError, EOFError, *SENSELESS) as error:
        told = f"{name}: cut off or no tar, after {count} clips ({error}). Pack or download it again."
        yield faulty(name, name, told)


def _files(tar: tarfile.TarFile, faults: list[Exception]) -> Iterator[tarfile.TarInfo]:
    """The files of a tar up to a senseless header; those before it are whole, unlike the last one before a cut."""
    try:
        for member in tar:
            if member.size < 0:
                raise ValueError("a size is negative")
            if member.isfile():
                yield member
    except SENSELESS as error:
        faults.append(error)


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
        return faulty(key, told, f"{told}: no sound in the tar, only {', '.join(map(printable, parts))}.")
    try:
        if sound.issparse():
            raise ManifestError(f"{told}: {printable(sound.name)} has holes. Pack it again, without --sparse.")
        row, left_out = known_of(_fields(tar, parts, told), key, told)
    except ManifestError as error:
        return faulty(key, told, str(error))
    place = Member(local, sound.offset_data, sound.size).address
    row = row._replace(start=None, stop=None)
    return BatchClip(SourceClip(f"{name}/{printable(sound.name)}", place), row, left_out)


def _fields(tar: tarfile.TarFile, parts: dict[str, tarfile.TarInfo], where: str) -> dict:
    for file, member in parts.items():
        if not file.endswith((".json", ".txt")):
            continue
        if member.issparse() or member.size > TEXT_BYTES:  # a few bytes can stand for any number of zeros
            raise ManifestError(f"{where}: {printable(file)} has holes or more than {TEXT_BYTES} bytes. Pack it again.")
        try:
            if file.endswith(".json"):
                found = json.load(tar.extractfile(member))
                return found if isinstance(found, dict) else {}
            return {"transcript": tar.extractfile(member).read().decode().strip()}
        except (ValueError, RecursionError, tarfile.TarError) as error:
            raise ManifestError(f"{where}: {printable(file)} cannot be read ({error}). Pack it again.") from error
    return {}
