"""The loss, in one named object that training and evaluation share.

``loss = sum(cross_entropy) / tokens + beta * sum(kl) / frames``, and what further objectives add

with all totals counted over the whole window of one optimiser step, so that splitting the window into micro-batches
(or over ranks) changes no gradient. Always in float32, even under autocast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import Mode, Stage
from speechbrain_xser.training.policy import REFERENCE, PolicyLoss, Rollouts

if TYPE_CHECKING:
    from speechbrain_xser.model import Forward

CROSS_ENTROPY = "cross_entropy"
KL = "kl_"  # and the branch's name
LossParts = dict[str, Tensor]  # by name, [] float32: sums over one micro-batch; nothing is averaged yet


class Totals(NamedTuple):
    """What the sums of a window are divided by."""

    tokens: int  # answer tokens, end tokens included; of sampled answers, the answers themselves
    frames: int  # valid encoder frames


class Term(NamedTuple):
    """How a part's sum enters the loss: ``weight * sum / total``."""

    weight: float
    total: int  # of the whole window

    def of(self, part: Tensor | float) -> Tensor | float:
        """What a sum adds to the loss."""
        return self.weight * (part / self.total)


class Objective:
    """A further term of the loss: ``weight * sum / total``.

    Arguments
    ---------
    function : callable
        ``function(output, stage)`` to a sum over a micro-batch, [], float32; it is there in every stage, be it as zero.
    per : str
        What its sum is divided by: "tokens" or "frames".
    weight : float
        Weight of the term.

    Raises
    ------
    SettingsError
        If ``per`` is neither.

    Example
    -------
    >>> def loudness(output, stage):
    ...     return output.branches["content"].latent.z.square().sum()
    >>> criterion = Criterion(objectives={"loudness": Objective(loudness, per="frames", weight=0.5)})
    >>> criterion.terms(["loudness"], Totals(tokens=4, frames=10))
    {'loudness': Term(weight=0.5, total=10)}
    """

    def __init__(
        self,
        function: Callable[[Forward, Stage], Tensor],
        per: Literal["tokens", "frames"] = "tokens",
        weight: float = 1.0,
    ) -> None:
        if per not in Totals._fields:
            raise SettingsError(f"An objective is per {per!r}: expected one of {', '.join(Totals._fields)}.")
        self.function, self.per, self.weight = function, per, weight


class Criterion:
    """Token-weighted cross-entropy plus ``beta`` times the KL of the branches that train, and further objectives.

    Sources: deep variational information bottleneck (Alemi et al., 2017, ICLR); the warm-up of the KL (Bowman et al.,
    2016, CoNLL).

    Arguments
    ---------
    beta : float
        Weight of the KL.
    warmup_fraction : float
        Fraction of a stage's steps over which beta rises linearly from 0. Without it, a strong decoder learns to ignore
        its bottleneck before the bottleneck carries any information.
    objectives : mapping of str to Objective
        Further terms, by the name of their part.
    policy : PolicyLoss, optional
        The loss of sampled answers, in the place of the cross-entropy in a stage that is rewarded.

    Raises
    ------
    SettingsError
        If a value is out of range, or an objective has the name of another part.

    Example
    -------
    >>> criterion = Criterion(beta=0.1, warmup_fraction=0.5)
    >>> [round(criterion.beta_at(step, 8), 3) for step in (0, 2, 4, 8)]
    [0.0, 0.05, 0.1, 0.1]
    >>> parts = {"cross_entropy": torch.tensor(6.0), "kl_content": torch.tensor(20.0)}
    >>> criterion.loss(parts, Totals(tokens=3, frames=10), beta=0.1)  # 6 / 3 + 0.1 * 20 / 10
    tensor(2.2000)
    """

    def __init__(
        self,
        beta: float = 1e-3,
        warmup_fraction: float = 0.5,
        objectives: Mapping[str, Objective] | None = None,
        policy: PolicyLoss | None = None,
    ) -> None:
        if not 0 <= beta < math.inf or not 0 <= warmup_fraction <= 1:
            raise SettingsError(f"beta={beta} must be at least 0 and warmup_fraction={warmup_fraction} in 0..1.")
        self.beta = beta
        self.warmup_fraction = warmup_fraction
        self.objectives, self.policy = dict(objectives or {}), policy or PolicyLoss()
        if taken := [name for name in self.objectives if name == CROSS_ENTROPY or name.startswith(KL)]:
            raise SettingsError(f"The objective {taken[0]!r} has the name of a part that is there: give it another.")

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

    def parts(self, output: Forward, stage: Stage, rollouts: Rollouts | None = None) -> LossParts:
        """Sums of the cross-entropy over the answers, of the KL over the valid frames, and of the objectives.

        Arguments
        ---------
        output : Forward
            The decoder's answer, with its nats, and the branches' outputs.
        stage : Stage
            Says which branches train.
        rollouts : Rollouts, optional
            The answers, if they were sampled.

        Returns
        -------
        dict of str to Tensor
            "cross_entropy" and, of each branch that is on, "kl_NAME", in nats; 0 unless the branch trains. Of sampled
            answers, "policy" and "reference" in the place of the cross-entropy.

        Example
        -------
        >>> from types import SimpleNamespace as Part
        >>> from speechbrain_xser.stages import ASR_STAGE
        >>> from speechbrain_xser.decoder.answer_logits import AnswerLogits
        >>> answer = AnswerLogits(torch.zeros(3, 4), torch.tensor([0, 1, 2]), rows=torch.zeros(3))  # 3 * log(4) nats
        >>> branches = {"content": Part(latent=Part(kl=torch.ones(2, 5)))}
        >>> Criterion().parts(Part(answer=answer, branches=branches), ASR_STAGE)
        {'cross_entropy': tensor(4.1589), 'kl_content': tensor(10.)}
        """
        with torch.autocast(output.answer.targets.device.type, enabled=False):
            answer = output.answer
            parts = {CROSS_ENTROPY: answer.nats()} if rollouts is None else self.policy.parts(answer, rollouts)
            zero = next(iter(parts.values())).new_zeros(())
            for name, branch in output.branches.items():
                parts[KL + name] = branch.latent.kl.float().sum() if stage.mode(name) is Mode.TRAIN else zero
            more = {name: objective.function(output, stage) for name, objective in self.objectives.items()}
        return {**parts, **more}

    def names(self, stage: Stage) -> list[str]:
        """The parts that a stage may have, in the order of :meth:`parts`."""
        return [CROSS_ENTROPY, *(KL + name for name in stage.on(stage.branches)), *self.objectives]

    def terms(self, names: Iterable[str], totals: Totals, beta: float | None = None) -> dict[str, Term]:
        """How each part's sum enters the loss; the loss is the sum of all terms.

        Arguments
        ---------
        names : iterable of str
            Names of the parts.
        totals : Totals
            Counts of the whole window; a count of 0 gives a loss of 0, not 0/0.
        beta : float, optional
            Weight of the KL at this step; the full one by default, as in evaluation.

        Returns
        -------
        dict of str to Term
        """
        tokens, frames = (max(1, count) for count in totals)
        known = {name: Term(one.weight, max(1, getattr(totals, one.per))) for name, one in self.objectives.items()}
        known[REFERENCE] = Term(self.policy.reference_weight, tokens)
        kl = Term(self.beta if beta is None else beta, frames)
        return {name: known.get(name, kl if name.startswith(KL) else Term(1.0, tokens)) for name in names}

    def loss(self, parts: Mapping[str, Tensor], totals: Totals, beta: float | None = None) -> Tensor:
        """The share of one micro-batch in its window's loss; shares add up to the loss.

        Arguments
        ---------
        parts : mapping of str to Tensor
            Sums of the micro-batch.
        totals, beta
            As for :meth:`terms`.

        Returns
        -------
        Tensor
            A scalar, [].
        """
        terms = self.terms(parts, totals, beta)
        return sum(terms[name].of(part) for name, part in parts.items())
