"""The window of one optimiser step: a loader's batch, its micro-batches, and the totals that its sums are divided by.

The totals are known before the first forward, so every micro-batch's loss is its exact share, and the gradient is
that of one large batch whatever the token counts. A window is never left half-done: the tail of an epoch is a
smaller window, and checkpoints lie between windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.stages import Stage, target_text
from speechbrain_xser.training.criterion import Totals
from speechbrain_xser.training.distributed import gather_lists, sum_over_ranks
from speechbrain_xser.training.policy import Rollouts
from speechbrain_xser.training.work import even_cuts

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch


class Window(NamedTuple):
    """One optimiser step's data on this rank."""

    micro_batches: list[Batch]
    answers: list[list[str]]  # of each micro-batch; sampled ones are token ids
    totals: Totals  # over all micro-batches of all ranks
    weights: Sequence[float]  # of each micro-batch: 0 for silence, where other ranks have clips and this one has none
    faults: Sequence[str] = ()  # messages of the clips that no rank could read
    rollouts: Sequence[Rollouts | None] | None = None  # of each micro-batch, where answers are sampled


def split(batch: Batch, count: int) -> list[Batch]:
    """Splits a batch into at most ``count`` micro-batches of about the same work, each padded to its own longest clip.

    Arguments
    ---------
    batch : Batch
        ids, wavs [B, S], samples [B], utterances.
    count : int
        Micro-batches wanted; no more than there are clips.

    Returns
    -------
    list of Batch
        In order, with nearly equal sums of samples.

    Example
    -------
    >>> from speechbrain_xser.data.pipeline import Batch
    >>> batch = Batch(("a", "b", "c"), torch.ones(3, 9), torch.tensor([9, 6, 4]), (None, None, None))
    >>> [(part.ids, tuple(part.wavs.shape)) for part in split(batch, 2)]
    [(('a',), (1, 9)), (('b', 'c'), (2, 6))]
    """
    return [_rows(batch, *bounds) for bounds in split_bounds(batch.samples.tolist(), count)]


def split_bounds(lengths: Sequence[float], count: int) -> list[tuple[int, int]]:
    """Where each of at most ``count`` micro-batches starts and stops, by the lengths of a window's clips."""
    return list(pairwise([*even_cuts(lengths, min(count, len(lengths))), len(lengths)]))


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    samples = batch.samples[start:stop]
    return batch._replace(
        ids=batch.ids[start:stop],
        wavs=batch.wavs[start:stop, : int(samples.max())],
        samples=samples,
        utterances=batch.utterances[start:stop],
    )


def answers_of(batch: Batch, stage: Stage) -> list[str]:
    """The target texts of a batch in a stage."""
    return [target_text(stage, utterance) for utterance in batch.utterances]


def words_of(batch: Batch) -> list[str | None]:
    """The recognised words of each utterance of a batch, if the manifest has them."""
    return [utterance.recognized for utterance in batch.utterances]


def count_totals(model: nn.Module, samples: Tensor, answers: Sequence[str], stage: Stage) -> Totals:
    """Answer tokens and valid frames, before anything is computed.

    Arguments
    ---------
    model : nn.Module
        The whole model; it counts tokens, and its encoder's formula gives the frames.
    samples : Tensor
        Valid samples of each clip, [B], int64; on the CPU this costs no device synchronisation.
    answers : sequence of str
        Target texts.
    stage : Stage
        Its instruction.

    Returns
    -------
    Totals
    """
    tokens = model.count_tokens(answers, stage)
    return Totals(tokens, int(model.encoder.frame_counts(samples).sum()))


def make_window(
    model: nn.Module, batch: Batch, stage: Stage, count: int, device: str, equal: bool = False
) -> Window:
    """Splits a loader's batch into the window of one step, and counts its totals and its faults over all ranks.

    Arguments
    ---------
    model : nn.Module
        The whole model, not wrapped.
    batch : Batch
        From the loader, on the CPU.
    stage : Stage
        Decides the target texts.
    count : int
        Micro-batches.
    device : str
        Where the micro-batches go.
    equal : bool
        Whether every rank has ``count`` micro-batches, however few clips it has.

    Returns
    -------
    Window
    """
    micro_batches = split(batch, count) if batch.ids else []
    answers = [answers_of(part, stage) for part in micro_batches]
    totals = count_totals(model, batch.samples, sum(answers, []), stage) if batch.ids else Totals(0, 0)
    tokens, frames, faults = sum_over_ranks([*totals, len(batch.faults)], device)
    told = gather_lists(list(batch.faults)) if faults else ()
    weights = [1.0] * len(micro_batches)
    for _ in range((count if equal else 1) - len(micro_batches)):
        micro_batches, answers, weights = [*micro_batches, _silence(model, batch)], [*answers, [""]], [*weights, 0.0]
    micro_batches = [part.to(device, non_blocking=True) for part in micro_batches]
    return Window(micro_batches, answers, Totals(int(tokens), int(frames)), weights, told)


def _silence(model: nn.Module, batch: Batch) -> Batch:
    """A second of silence."""
    samples = torch.tensor([model.encoder.sample_rate])
    return batch._replace(ids=(), utterances=(), wavs=torch.zeros(1, int(samples)), samples=samples)
