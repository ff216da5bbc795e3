"""Draws clips from a manifest in batches; the same clips on every machine."""

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
    cut_silence: bool = False,
    max_unreadable: float = 0.01,
) -> Iterator[Batch]:
    """Yields the readable clips of a manifest, or ``limit`` of them, with a progress bar; longer ones are left out.

    The clips are drawn by a checksum of their ids: every n-th clip of a manifest sorted by name could miss classes.

    Arguments
    ---------
    manifest : str
        JSONL.
    data_folder : str, optional
        What {data_root} in the manifest stands for.
    max_seconds : float
        Longer clips are left out.
    limit : int, optional
        So many clips at most.
    label : str
        Of the progress bar.
    batch_size : int
        Clips of a batch.
    cut_silence : bool
        Whether clips lose the silence before and after speech, as a model hears them whose folder says so.
    max_unreadable : float
        Share of the drawn clips that may be unreadable.

    Yields
    ------
    Batch

    Raises
    ------
    ManifestError
        If the manifest is invalid.
    TrainingError
        If more of the clips cannot be read.
    """
    clips = dataset(manifest, data_folder, max_seconds, skip_long=True)
    chosen = sorted(range(len(clips)), key=lambda index: crc32(clips.data_ids[index].encode("utf-8")))[:limit]
    unreadable = FaultCounter(len(chosen), max_unreadable)
    for start in tqdm(range(0, len(chosen), batch_size), desc=label, unit="batch", disable=None):
        batch = collate([clips[index] for index in chosen[start : start + batch_size]])
        unreadable.add(batch.faults)
        if batch.utterances:
            yield batch.without_silence() if cut_silence else batch
