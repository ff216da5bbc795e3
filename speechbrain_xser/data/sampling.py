"""Some clips of a manifest, the same ones on every machine, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from tqdm import tqdm

from speechbrain_xser.data.faults import FaultCounter
from speechbrain_xser.data.pipeline import Batch, collate, dataset

BATCH = 16


def sampled_batches(
    manifest: str,
    data_folder: str | None,
    max_seconds: float,
    limit: int | None = None,
    label: str = "listening",
    batch_size: int = BATCH,
) -> Iterator[Batch]:
    """The clips of a manifest that can be read, or some of them, with a progress bar.

    Arguments
    ---------
    manifest : str
        JSONL.
    data_folder : str, optional
        What {data_root} in the manifest stands for.
    max_seconds : float
        Longer clips are left out.
    limit : int, optional
        So many clips at most, drawn by a checksum of their ids: every n-th of a manifest in the order of file names may
        leave out whole classes.
    label : str
        Of the progress bar.
    batch_size : int
        Clips of a batch.

    Yields
    ------
    Batch
        None is empty.

    Raises
    ------
    ManifestError
        If the manifest is wrong.
    TrainingError
        If more than one clip in a hundred cannot be read.

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> batches = sampled_batches(tiny_manifest(getfixture("tmp_path"), clips=5), None, 30.0, limit=3, batch_size=2)
    >>> [len(batch.utterances) for batch in batches]
    [2, 1]
    """
    clips = dataset(manifest, data_folder, max_seconds, skip_long=True)
    chosen = sorted(range(len(clips)), key=lambda index: crc32(clips.data_ids[index].encode("utf-8")))[:limit]
    unreadable = FaultCounter(len(chosen))
    for start in tqdm(range(0, len(chosen), batch_size), desc=label, unit="batch", disable=None):
        batch = collate([clips[index] for index in chosen[start : start + batch_size]])
        unreadable.add(batch.faults)
        if batch.utterances:
            yield batch
