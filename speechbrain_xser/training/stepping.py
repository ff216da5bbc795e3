"""The end of an optimiser step: clip, check, step. The one place where training waits for the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.training.criterion import CROSS_ENTROPY, KL, Term, Totals
from speechbrain_xser.training.distributed import sum_over_ranks, world_size
from speechbrain_xser.training.nonfinite import NonfiniteGuard
from speechbrain_xser.training.optimizers import StageOptimizers
from speechbrain_xser.training.schedule import Turn
from speechbrain_xser.training.step_memory import name_out_of_memory_of_step
from speechbrain_xser.training.window import Window

FP16_PATIENCE = 20  # the loss scale starts at 2**16 and is halved at each overflow


class StepReport(NamedTuple):
    """What one step did, the same on every rank."""

    loss: float  # what all terms add
    cross_entropy: float | None  # nats a token; None of sampled answers
    kl: float  # nats a frame, of the branches that train
    objectives: dict[str, float]  # what each further objective adds to the loss
    gradient_norm: float  # before clipping
    rate: float  # learning rate
    accepted: bool  # False for a step that was skipped, since its loss or its gradient was not finite
    stop: bool  # whether any rank was asked to stop


class Stepper:
    """Steps the optimiser whose turn it is, if the numbers of every rank are finite.

    Arguments
    ---------
    optimizers : StageOptimizers
        One for each stage.
    scaler : torch.GradScaler
        Enabled for fp16, else a pass-through.
    patience : int
        Non-finite steps in a row that are skipped before training stops.
    max_norm : float
        Gradients of a stage are clipped to it, all groups by one norm; if it is not positive, nothing is clipped.
    device : str
        Where ranks exchange numbers.

    Example
    -------
    >>> from torch import nn
    >>> from speechbrain_xser.data.pipeline import Batch
    >>> from speechbrain_xser.training.criterion import Criterion, Totals
    >>> from speechbrain_xser.training.optimizers import LearningRate
    >>> from speechbrain_xser.stages import ASR_STAGE
    >>> content = nn.Linear(1, 1)
    >>> model = nn.ModuleDict({"branches": nn.ModuleDict({"content": content}), "decoder": nn.Linear(1, 1)})
    >>> optimizers = StageOptimizers(model, (ASR_STAGE,), {"asr": LearningRate(0.1)})
    >>> stepper = Stepper(optimizers, torch.GradScaler("cpu", enabled=False), patience=3, max_norm=1.0, device="cpu")
    >>> window = Window([Batch(("a",), torch.ones(1, 1), torch.ones(1), (None,))], [["x"]], Totals(2, 1), [1.0])
    >>> terms = Criterion().terms(["cross_entropy", "kl_content"], window.totals)
    >>> before = content.weight.clone()
    >>> for sums in ([4.0, 0.0], [float("nan"), 0.0]):  # the second step is left out
    ...     content(torch.ones(1)).sum().backward()
    ...     report = stepper.step(Turn(ASR_STAGE, 50, 100), window, torch.tensor([sums]), terms, stop=False)
    >>> round((before - content.weight).item(), 3), stepper.guard.skipped
    (0.1, 1)
    """

    def __init__(
        self, optimizers: StageOptimizers, scaler: torch.GradScaler, patience: int, max_norm: float, device: str
    ) -> None:
        self.optimizers, self.scaler = optimizers, scaler
        self.guard = NonfiniteGuard(max(patience, FP16_PATIENCE) if scaler.is_enabled() else patience)
        self.max_norm, self.device = max_norm, device

    def step(self, turn: Turn, window: Window, sums: Tensor, terms: Mapping[str, Term], stop: bool) -> StepReport:
        """Uses and drops the gradients of a window.

        Arguments
        ---------
        turn : Turn
            Stage and its own step.
        window : Window
            For totals and for naming utterances.
        sums : Tensor
            The parts of each micro-batch of this rank, [M, P].
        terms : mapping of str to Term
            How the P parts enter the loss, in their order.
        stop : bool
            Whether this rank was asked to stop.

        Returns
        -------
        StepReport

        Raises
        ------
        TrainingError
            After too many non-finite steps in a row, or if memory runs out while the optimiser steps.
        """
        name = turn.stage.name
        optimizer = self.optimizers.by_stage[name]
        rate = self.optimizers.set_rate(name, turn.stage_step, turn.stage_steps)
        self.scaler.unscale_(optimizer)
        norm = self.optimizers.clip(name, self.max_norm)
        losses, norm = _to_host(sums, norm)
        sums = [sum(column) for column in zip(*losses, strict=True)]
        *sums, total, norms, stopping = sum_over_ranks([*sums, sum(map(sum, losses)), norm, stop], self.device)
        ids = [part.ids for part in window.micro_batches]
        accepted = self.guard.accepts([sum(parts) for parts in losses], ids, norms / world_size(), total)
        if accepted and window.totals.tokens:
            with name_out_of_memory_of_step(name):
                self.scaler.step(optimizer)
        self.scaler.update()
        self.optimizers.zero_grad()
        return _report(dict(zip(terms, sums, strict=True)), terms, window.totals, (norm, rate, accepted, stopping > 0))


def _report(parts: Mapping[str, float], terms: Mapping[str, Term], totals: Totals, rest: tuple) -> StepReport:
    """What a step did, from the sums of all ranks."""
    added = {name: terms[name].of(part) for name, part in parts.items()}
    kl = sum(part for name, part in parts.items() if name.startswith(KL)) / max(1, totals.frames)
    more = {name: value for name, value in added.items() if name != CROSS_ENTROPY and not name.startswith(KL)}
    return StepReport(sum(added.values()), added.get(CROSS_ENTROPY), kl, more, *rest)


def _to_host(sums: Tensor, norm: Tensor) -> tuple[list[list[float]], float]:
    """Copies everything that is read from the device at once."""
    *flat, norm = torch.cat([sums.flatten(), norm.reshape(1).float()]).tolist()
    width = sums.shape[1]
    return [flat[start : start + width] for start in range(0, len(flat), width)], norm
