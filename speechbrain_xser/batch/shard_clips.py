"""The clips of one input shard: those of the cloud fetched into a folder, what cannot be read told as such."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from speechbrain_xser.batch.batch_clip import BatchClip, brought, faulty, refuse_foreign
from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.parquet_clips import parquet_clips
from speechbrain_xser.batch.storage import name_of, opened_file, parent_of
from speechbrain_xser.batch.tar_clips import tar_clips
from speechbrain_xser.data.addresses import is_address
from speechbrain_xser.data.manifest import Utterance, parse_line
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.explaining.clips import SourceClip

FETCHED = 16  # files of the cloud at a time


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
        return list(tar_clips(shard.paths[0], folder))
    if shard.kind == "parquet":
        return list(parquet_clips(shard.paths[0], folder))
    found = _of_manifest(shard, data_folder) if shard.kind == "manifest" else map(_named, shard.paths)
    with ThreadPoolExecutor(FETCHED) as threads:
        return list(threads.map(lambda pair: brought(*pair, folder), enumerate(found)))


def _named(path: str) -> BatchClip:
    name = name_of(path)
    return BatchClip(SourceClip(name, path), Utterance(name, name))


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
            refuse_foreign(wav, path, where, data_folder)
            yield BatchClip(SourceClip(name_of(wav), wav, start=row.start, stop=row.stop), row)
        except UnicodeDecodeError:
            yield faulty(where, where, f"{where}: not UTF-8. Save it as UTF-8.")
        except ManifestError as error:
            yield faulty(where, where, str(error))
