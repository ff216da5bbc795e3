"""The loss of sampled answers: a clipped policy gradient without length bias, and the distance from the start.

``loss = -sum(min(r * A, clip(r, 1 - c, 1 + c) * A)) / answers + weight * sum(k2) / answers``, with
``r = exp(log p - log p_sampled)`` and ``A`` of each token, and ``k2 = (log p - log p_reference)^2 / 2``.

* ``A`` is RLOO's: a reward less the mean of the other answers to the same clip. The baseline does not know the
  answer, so the gradient is unbiased for any number of answers; it is not divided by a standard deviation. Each part of
  the reward has its own, which counts for some of the tokens (:mod:`.credit`).
* Tokens are summed and divided by the number of answers, as in Dr. GRPO: dividing by an answer's own length would let a
  wrong answer pay less by being long.
* The expected gradient of ``k2`` over the policy's own answers is that of KL(p || p_reference).

Sources: GRPO (Shao et al., 2024), Dr. GRPO (Liu et al., 2025, COLM), RLOO (Ahmadian et al., 2024, ACL), clipping (PPO,
Schulman et al., 2017), k2 (Schulman, 2020, "Approximating KL divergence").
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.errors import SettingsError

POLICY, REFERENCE = "policy", "reference"  # names of the parts
CONSTANT = 1e-9  # rewards of a group that differ by less are the same


class Rollouts(NamedTuple):
    """The sampled answers of one micro-batch, G of each of B clips, clip after clip."""

    ids: list[tuple[int, ...] | str]  # B * G: tokens as they were drawn; of silence, one empty text
    sampled: Tensor  # [N] float32, log-probability of each token when it was drawn
    reference: Tensor  # [N] float32, by the policy that the stage began with
    advantages: Tensor  # [N] float32, of what each token counts for


def leave_one_out(rewards: Tensor) -> Tensor:
    """Each answer's reward less the mean of the others of its clip.

    Arguments
    ---------
    rewards : Tensor
        [B, G], at least two answers of each clip.

    Returns
    -------
    Tensor
        [B, G]; exactly 0 where all rewards of a clip are the same.

    Example
    -------
    >>> leave_one_out(torch.tensor([[1.0, 0.0, 0.5], [2.0, 2.0, 2.0]]))
    tensor([[ 0.7500, -0.7500,  0.0000],
            [ 0.0000,  0.0000,  0.0000]])
    """
    count = rewards.shape[1]
    advantages = (rewards - rewards.mean(1, keepdim=True)) * (count / (count - 1))
    return torch.where(constant_groups(rewards)[:, None], 0.0, advantages)


def constant_groups(rewards: Tensor) -> Tensor:
    """Which clips' answers all earned the same, [B] bool, from [B, G]: they teach nothing."""
    return rewards.amax(1) - rewards.amin(1) < CONSTANT


class PolicyLoss:
    """The parts of the loss of a stage that is rewarded.

    Arguments
    ---------
    clip_range : float
        The c by which a token's probability may have moved since it was drawn, as a ratio, before it is pushed no more.
    reference_weight : float
        Of the distance from the policy that supervised training left, per nat of an answer.

    Raises
    ------
    SettingsError
        If a value is out of range.

    Example
    -------
    >>> answer = AnswerLogits(torch.zeros(2, 4), torch.tensor([0, 1]), rows=torch.tensor([0, 1]))
    >>> even = torch.full((2,), 4.0).log().neg()
    >>> rollouts = Rollouts([(0,), (1,)], even, even, torch.tensor([1.0, -0.5]))
    >>> PolicyLoss().parts(answer, rollouts)  # ratios of 1: -(1 - 0.5)
    {'policy': tensor(-0.5000), 'reference': tensor(0.)}
    """

    def __init__(self, clip_range: float = 0.2, reference_weight: float = 0.05) -> None:
        if not 0 < clip_range < 1 or not 0 <= reference_weight < math.inf:
            raise SettingsError(
                f"clip_range={clip_range} must be between 0 and 1, and reference_weight={reference_weight} at least 0."
            )
        self.clip_range, self.reference_weight = clip_range, reference_weight

    def parts(self, answer: AnswerLogits, rollouts: Rollouts) -> dict[str, Tensor]:
        """Sums over a micro-batch.

        Arguments
        ---------
        answer : AnswerLogits
            Of the sampled answers, N tokens.
        rollouts : Rollouts
            The same answers.

        Returns
        -------
        dict of str to Tensor
            "policy" and "reference", [], float32.
        """
        log_probs = -answer.token_nats()
        ratios = (log_probs - rollouts.sampled).exp()
        clipped = ratios.clamp(1 - self.clip_range, 1 + self.clip_range)
        gained = torch.minimum(ratios * rollouts.advantages, clipped * rollouts.advantages)
        drift = log_probs - rollouts.reference
        return {POLICY: -gained.sum(), REFERENCE: 0.5 * drift.square().sum()}
