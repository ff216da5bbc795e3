"""Collapse diagnostics: whether the decoder answers just as well without using a branch.

Three measures on one validation batch: the KL in nats a frame, the active latent units (Burda et al., 2016:
``Var_x(mu) > 0.01``), and how much lower the cross-entropy of an answer token is with the right audio than with the
audio of another utterance (a branch's soft tokens rolled by one within the batch, all else unchanged).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from speechbrain.utils.logger import get_logger
from torch import Tensor

from speechbrain_xser.stages import Mode, Stage
from speechbrain_xser.training.window import words_of
from speechbrain_xser.utils.lengths import valid_mask

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.lobes.adapter import SoftTokens
    from speechbrain_xser.lobes.bottleneck import Latent
    from speechbrain_xser.model import ExplainableSER

logger = get_logger(__name__)

ACTIVE_VARIANCE = 0.01  # of a unit's mean over frames; above it, the unit carries information
LEAST_GAIN = 0.005  # nats a token


class Diagnostics(NamedTuple):
    """How much information one branch carries, and how much the decoder uses it.

    Example
    -------
    >>> Diagnostics("content", kl=0.5, active_units=0, units=8, gain=0.0).collapsed
    True
    >>> Diagnostics("content", kl=0.5, active_units=8, units=8, gain=0.2).collapsed
    False
    """

    branch: str
    kl: float | None  # nats a frame; None without a bottleneck
    active_units: int | None  # of ``units``; None without a bottleneck
    units: int | None
    gain: float | None  # nats a token; None for a batch of one

    @property
    def collapsed(self) -> bool:
        """No active unit, or no gain from the right audio."""
        return self.active_units == 0 or (self.gain is not None and self.gain < LEAST_GAIN)

    def stats(self) -> dict[str, float]:
        """What goes into the log, under the branch's name."""
        named = {"kl": self.kl, "active": self.active_units, "gain": self.gain}
        return {f"{self.branch} {key}": value for key, value in named.items() if value is not None}

    def text(self) -> str:
        """The measures in words; without a bottleneck there is no KL, and with a single clip no gain."""
        told = [] if self.kl is None else [f"KL {self.kl:.3g} nats per frame"]
        told += [] if self.units is None else [f"{self.active_units} of {self.units} latent units active"]
        told += [] if self.gain is None else [f"the right audio gains {self.gain:.3g} nats per token over another's"]
        return ", ".join(told)


def active_units(mean: Tensor, frames: Tensor) -> int:
    """Units whose posterior mean varies over the valid frames of a batch.

    Arguments
    ---------
    mean : Tensor
        Posterior means, [B, T, Z].
    frames : Tensor
        Valid frames, [B], int64.

    Returns
    -------
    int

    Example
    -------
    >>> mean = torch.zeros(1, 4, 3)
    >>> mean[0, :, 1] = torch.tensor([1.0, -1.0, 1.0, 50.0])  # unit 1 varies
    >>> mean[0, 3, 2] = 50.0  # unit 2 only at padding
    >>> active_units(mean, torch.tensor([3]))
    1
    """
    valid = mean[valid_mask(frames, mean.shape[1], mean.device)].float()
    return int((valid.var(0, correction=0) > ACTIVE_VARIANCE).sum())


@torch.no_grad()
def listen(model: ExplainableSER, batch: Batch, stage: Stage, answers: list[str]) -> list[Diagnostics]:
    """Computes the diagnostics of each branch that a stage trains, on one batch.

    Arguments
    ---------
    model : ExplainableSER
        In eval.
    batch : Batch
        On the model's device; at least two clips for a gain.
    stage : Stage
        Decides the branches and the instruction.
    answers : list of str
        Target texts.

    Returns
    -------
    list of Diagnostics
    """
    heard = (batch.wavs, batch.samples, stage)
    output, tokens = model(*heard, answers, words_of(batch)), model.encode(*heard, words_of(batch))
    right = _cross_entropy(model, tokens, stage, answers)
    diagnostics = []
    for name in (name for name in tokens if stage.mode(name) is Mode.TRAIN):
        gain = None
        if len(answers) > 1:
            gain = _cross_entropy(model, {**tokens, name: _roll(tokens[name])}, stage, answers) - right
        diagnostics.append(_diagnostics(name, output.branches[name].latent, gain))
    return diagnostics


def warn(found: list[Diagnostics]) -> None:
    """Warns of each collapsed branch by name."""
    for one in found:
        if one.collapsed:
            logger.warning(
                "The %s branch has collapsed, or the decoder does not use it yet: %s. If this lasts, lower beta or "
                "lengthen its "
                "warm-up.",
                one.branch,
                one.text(),
            )


def _diagnostics(name: str, latent: Latent, gain: float | None) -> Diagnostics:
    if latent.posterior is None:
        return Diagnostics(name, None, None, None, gain)
    kl = float(latent.kl.float().sum() / latent.frames.sum().clamp(min=1))
    mean = latent.posterior.mean
    return Diagnostics(name, kl, active_units(mean, latent.frames), mean.shape[-1], gain)


def _cross_entropy(model: ExplainableSER, tokens: dict[str, SoftTokens], stage: Stage, answers: list[str]) -> float:
    """Nats a token."""
    answer = model.answer(tokens, stage, answers)
    return float(answer.nats() / len(answer.targets))


def _roll(tokens: SoftTokens) -> SoftTokens:
    """Each utterance gets its neighbour's tokens."""
    return tokens.rows(torch.arange(len(tokens.counts), device=tokens.counts.device).roll(1))
