"""The loss, in one named object that training and evaluation share.

``loss = sum(cross_entropy) / tokens + beta * sum(kl) / frames``

with both totals counted over the whole window of one optimiser step, so that splitting the window into micro-batches
(or over ranks) changes no gradient. Always float32, whatever autocast says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import BRANCHES, Mode, Stage

if TYPE_CHECKING:
    from speechbrain_xser.model import Forward


class Totals(NamedTuple):
    """What the sums of a window are divided by."""

    tokens: int  # answer tokens, end tokens included
    frames: int  # valid encoder frames


class LossParts(NamedTuple):
    """Sums over one micro-batch, float32 scalars on its device; nothing is averaged yet."""

    cross_entropy: Tensor  # [] nats, summed over answer tokens
    content: Tensor  # [] nats, KL summed over valid frames; 0 unless the branch trains
    descriptor: Tensor  # [] nats, the same of the descriptor branch


class Criterion:
    """Token-weighted cross-entropy plus ``beta`` times the KL of the branches that train.

    Sources: deep variational information bottleneck (Alemi et al., 2017, ICLR); the warm-up of the KL (Bowman et al.,
    2016, CoNLL).

    Arguments
    ---------
    beta : float
        Weight of the KL.
    warmup_fraction : float
        Fraction of a stage's steps over which beta rises linearly from 0. Without it a strong decoder learns to
        ignore its bottleneck before there is anything in it to hear.

    Raises
    ------
    SettingsError
        If a value is out of range.

    Example
    -------
    >>> criterion = Criterion(beta=0.1, warmup_fraction=0.5)
    >>> [round(criterion.beta_at(step, 8), 3) for step in (0, 2, 4, 8)]
    [0.0, 0.05, 0.1, 0.1]
    >>> parts = LossParts(torch.tensor(6.0), torch.tensor(20.0), torch.tensor(0.0))
    >>> criterion.loss(parts, Totals(tokens=3, frames=10), beta=0.1)  # 6 / 3 + 0.1 * 20 / 10
    tensor(2.2000)
    """

    def __init__(self, beta: float = 1e-3, warmup_fraction: float = 0.5) -> None:
        if beta < 0 or not 0 <= warmup_fraction <= 1:
            raise SettingsError(f"beta={beta} must be at least 0 and warmup_fraction={warmup_fraction} in 0..1.")
        self.beta = beta
        self.warmup_fraction = warmup_fraction

    def beta_at(self, stage_step: int, stage_steps: int) -> float:
        """The weight of the KL at a stage's own step: 0 at its first, full after the warm-up.

        Arguments
        ---------
        stage_step : int
            Step of the stage, from 0.
        stage_steps : int
            Steps of the stage in the whole run.

        Returns
        -------
        float
            Between 0 and ``beta``; always ``beta`` without a warm-up.
        """
        warmup_steps = self.warmup_fraction * stage_steps
        return self.beta * (min(1.0, stage_step / warmup_steps) if warmup_steps > 0 else 1.0)

    def parts(self, output: Forward, stage: Stage) -> LossParts:
        """Sums the cross-entropy over the answers and the KL over the valid frames of branches that train.

        Arguments
        ---------
        output : Forward
            The decoder's answer, which knows its nats, and the branches' outputs.
        stage : Stage
            Says which branches train.

        Returns
        -------
        LossParts
            Scalars in nats, float32.

        Example
        -------
        >>> from types import SimpleNamespace as Part
        >>> from speechbrain_xser.stages import ASR_STAGE
        >>> from speechbrain_xser.decoder.answer_logits import AnswerLogits
        >>> answer = AnswerLogits(torch.zeros(3, 4), torch.tensor([0, 1, 2]), rows=torch.zeros(3))  # 3 * log(4) nats
        >>> branch = Part(latent=Part(kl=torch.ones(2, 5)))
        >>> Criterion().parts(Part(answer=answer, content=branch, descriptor=None), ASR_STAGE)
        LossParts(cross_entropy=tensor(4.1589), content=tensor(10.), descriptor=tensor(0.))
        """
        with torch.autocast(output.answer.targets.device.type, enabled=False):
            cross_entropy = output.answer.nats()
            kl = [_kl_sum(getattr(output, name), getattr(stage, name), cross_entropy) for name in BRANCHES]
        return LossParts(cross_entropy, *kl)

    def loss(self, parts: LossParts, totals: Totals, beta: float | None = None) -> Tensor:
        """The share of one micro-batch in its window's loss; shares add up to the loss.

        Arguments
        ---------
        parts : LossParts
            Sums of the micro-batch.
        totals : Totals
            Counts of the whole window; a count of 0 gives a loss of 0, not 0/0.
        beta : float, optional
            Weight of the KL at this step; the full one by default, as in evaluation.

        Returns
        -------
        Tensor
            A scalar, [].
        """
        beta = self.beta if beta is None else beta
        kl = (parts.content + parts.descriptor) / max(1, totals.frames)
        return parts.cross_entropy / max(1, totals.tokens) + beta * kl


def _kl_sum(branch: object | None, mode: Mode, like: Tensor) -> Tensor:
    """KL of a branch's latent, which is 0 at padding; 0 for a branch that does not train."""
    if branch is None or mode != Mode("train"):
        return like.new_zeros(())
    return branch.latent.kl.float().sum()
