"""Data loaders: training windows in a resumable order, and each rank's share of a validation or test set."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch.utils.data import DataLoader, Subset

from speechbrain_xser.data.mapped_rows import Ids, id_digest
from speechbrain_xser.data.pipeline import collate, items_of
from speechbrain_xser.training.distributed import rank, world_size
from speechbrain_xser.training.node import once_a_machine
from speechbrain_xser.training.sampler import WindowSampler
from speechbrain_xser.training.seeding import derive_seed
from speechbrain_xser.training.signals import ignore_in_worker
from speechbrain_xser.training.tar_order import tars_of
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.training.work import predicted_tokens, soft_tokens_a_second
from speechbrain_xser.utils.devices import evaluation_rows

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER

PREFETCHED = 4  # batches that each worker reads ahead, so that a slow file delays nothing


def seconds_of_clips(clips: DynamicItemDataset) -> list[float]:
    """Seconds of each utterance, in the data set's order."""
    if clips.data_ids is getattr(clips.data, "ids", None):  # not a selection, nor a data set of your own
        return clips.data.seconds
    return [clips.data[id]["duration"] for id in clips.data_ids]


def train_loader(
    clips: DynamicItemDataset, model: ExplainableSER, settings: TrainingSettings, accumulation: int = 1
) -> DataLoader:
    """A loader whose batches are the windows of optimiser steps.

    Arguments
    ---------
    clips : DynamicItemDataset
        From ``data.pipeline.dataset``.
    model : ExplainableSER
        Determines how many soft tokens a clip gives, and so which clips are about the same work.
    settings : TrainingSettings
        Batch size, seed, pools and workers.
    accumulation : int
        Micro-batches in a window.

    Returns
    -------
    DataLoader
        Its ``batch_sampler`` is a :class:`WindowSampler`.

    Example
    -------
    >>> from speechbrain_xser.data.pipeline import dataset
    >>> from speechbrain_xser.testing import tiny_manifest, tiny_model
    >>> place = getfixture("tmp_path")
    >>> clips = dataset(tiny_manifest(place, clips=5))
    >>> loader = train_loader(clips, tiny_model(place), TrainingSettings(batch_size=2, num_workers=0), accumulation=2)
    >>> sorted(len(batch.ids) for batch in loader)  # the tail is used
    [1, 4]
    """
    sampler = train_windows(clips, model, settings, accumulation)
    return DataLoader(clips, batch_sampler=sampler, **_common(settings))


def train_windows(
    clips: DynamicItemDataset, model: ExplainableSER, settings: TrainingSettings, accumulation: int = 1
) -> WindowSampler:
    """The windows of :func:`train_loader` alone; of the model only its formulas are used, not its weights."""
    work, tars = once_a_machine(lambda: _counted(clips, model, settings))
    return WindowSampler(
        work,
        settings.batch_size * accumulation,
        settings.seed,
        settings.pool_windows,
        None if settings.batch_tokens is None else settings.batch_tokens * accumulation,
        rank(),
        world_size(),
        tars,
        settings.open_tars or 1,
        epochs_a_pass=settings.epochs_a_pass,
    )


def _counted(
    clips: DynamicItemDataset, model: ExplainableSER, settings: TrainingSettings
) -> tuple[np.ndarray, list[np.ndarray] | None]:
    """The work of each clip, [N], and the clips of each tar if they stream."""
    rate = soft_tokens_a_second(model)
    work = (predicted_tokens(item["utterance"], rate * item["duration"]) for item in items_of(clips))
    tars = None if settings.open_tars is None else tars_of(item["path"] for item in items_of(clips))
    return np.fromiter(work, np.float64, len(clips)), tars


def evaluation_loader(clips: DynamicItemDataset, settings: TrainingSettings, device: str | None = None) -> DataLoader:
    """A loader over this rank's share, longest clips first; batches are those of a ``device``, or of the GPU here.

    Example
    -------
    >>> from speechbrain_xser.data.pipeline import dataset
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> clips = dataset(tiny_manifest(getfixture("tmp_path"), clips=5))
    >>> lengths = torch.cat([batch.samples for batch in evaluation_loader(clips, TrainingSettings(num_workers=0))])
    >>> lengths.tolist() == sorted(lengths.tolist(), reverse=True), len(lengths)
    (True, 5)
    """
    seconds = seconds_of_clips(clips)
    order = sorted(range(len(clips)), key=lambda index: -seconds[index])
    share = Subset(clips, order[rank() :: world_size()])
    return DataLoader(share, batch_size=settings.valid_batch_size or evaluation_rows(device), **_common(settings))


def digest_of_clips(loader: DataLoader) -> int:
    """A number that stands for the ids of a training loader's clips, in their order."""
    ids = loader.dataset.data_ids
    digests = ids.digests() if isinstance(ids, Ids) else np.fromiter(map(id_digest, ids), "<u8", len(ids))
    return derive_seed(sha256(digests.tobytes()).hexdigest())


def _common(settings: TrainingSettings) -> dict:
    """The loader's own generator keeps its draws apart from the model's noise."""
    return {
        "collate_fn": collate,
        "num_workers": settings.num_workers,
        "prefetch_factor": PREFETCHED if settings.num_workers else None,
        "pin_memory": settings.pin_memory and torch.cuda.is_available(),
        "worker_init_fn": ignore_in_worker,
        "generator": torch.Generator().manual_seed(settings.seed),
    }
