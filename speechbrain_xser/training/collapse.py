"""Collapse diagnostics: whether the decoder answers just as well without using a branch.

Three measures on the first validation batch of each rank, taken together: the KL in nats a frame, the active latent
units (Burda et al., 2016: ``Var_x(mu) > 0.01``), and how much lower the cross-entropy of an answer token is with the
right audio than with the audio of another utterance (a branch's soft tokens rolled by one within the batch, all else
unchanged).
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
    from collections.abc import Iterable, Sequence

    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.lobes.adapter import SoftTokens
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


class Moments(NamedTuple):
    """Sums over frames, from which a variance follows."""

    frames: int
    first: Tensor  # [Z], float64, of the posterior means
    second: Tensor  # [Z], float64, of their squares


class Heard(NamedTuple):
    """What one rank measured of a branch, as sums that add up over ranks."""

    branch: str
    kl: float | None  # nats
    moments: Moments | None
    gain: float | None  # nats
    tokens: int


def moments(mean: Tensor, frames: Tensor) -> Moments:
    """Sums of the posterior means over the valid frames of a batch.

    Arguments
    ---------
    mean : Tensor
        Posterior means, [B, T, Z].
    frames : Tensor
        Valid frames, [B], int64.

    Returns
    -------
    Moments
    """
    valid = mean[valid_mask(frames, mean.shape[1], mean.device)].double().cpu()
    return Moments(len(valid), valid.sum(0), valid.square().sum(0))


def active_units(found: Sequence[Moments]) -> int:
    """Units whose posterior mean varies over the frames of one or several batches.

    Arguments
    ---------
    found : sequence of Moments
        One for each batch.

    Returns
    -------
    int

    Example
    -------
    >>> mean = torch.zeros(1, 4, 3)
    >>> mean[0, :, 1] = torch.tensor([1.0, -1.0, 1.0, 50.0])  # unit 1 varies
    >>> mean[0, 3, 2] = 50.0  # unit 2 only at padding
    >>> one = moments(mean, torch.tensor([3]))
    >>> active_units([one])
    1
    >>> other = moments(torch.full((1, 4, 3), 0.5), torch.tensor([4]))  # each is constant there, and another here
    >>> active_units([other]), active_units([one, other])
    (0, 3)
    """
    frames = sum(each.frames for each in found)
    variance = sum(each.second for each in found) / frames - (sum(each.first for each in found) / frames).square()
    return int((variance > ACTIVE_VARIANCE).sum())


@torch.no_grad()
def hear(model: ExplainableSER, batch: Batch, stage: Stage, answers: list[str]) -> list[Heard]:
    """Measures each branch that a stage trains, on one batch.

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
    list of Heard
    """
    clips = (batch.wavs, batch.samples, stage)
    output, tokens = model(*clips, answers, words_of(batch)), model.encode(*clips, words_of(batch))
    right, count = _nats(model, tokens, stage, answers)
    found = []
    for name in (name for name in tokens if stage.mode(name) is Mode.TRAIN):
        gain = None
        if len(answers) > 1:
            gain = _nats(model, {**tokens, name: _roll(tokens[name])}, stage, answers)[0] - right
        latent = output.branches[name].latent
        known = latent.posterior is not None
        kl = float(latent.kl.float().sum()) if known else None
        found.append(Heard(name, kl, moments(latent.posterior.mean, latent.frames) if known else None, gain, count))
    return found


def diagnose(heard: Iterable[Heard]) -> list[Diagnostics]:
    """The diagnostics of each branch, from what one or several ranks heard."""
    by_branch: dict[str, list[Heard]] = {}
    for one in heard:
        by_branch.setdefault(one.branch, []).append(one)
    return [_diagnostics(name, found) for name, found in by_branch.items()]


def listen(model: ExplainableSER, batch: Batch, stage: Stage, answers: list[str]) -> list[Diagnostics]:
    """The diagnostics of one batch: see :func:`hear` and :func:`diagnose`."""
    return diagnose(hear(model, batch, stage, answers))


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


def _diagnostics(name: str, heard: Sequence[Heard]) -> Diagnostics:
    gained = [(one.gain, one.tokens) for one in heard if one.gain is not None]
    gain = sum(nats for nats, _ in gained) / sum(tokens for _, tokens in gained) if gained else None
    found = [one.moments for one in heard if one.moments is not None]
    if not found:
        return Diagnostics(name, None, None, None, gain)
    kl = sum(one.kl or 0.0 for one in heard) / max(1, sum(each.frames for each in found))
    return Diagnostics(name, kl, active_units(found), len(found[0].first), gain)


def _nats(model: ExplainableSER, tokens: dict[str, SoftTokens], stage: Stage, answers: list[str]) -> tuple[float, int]:
    """Of the answers, and their number of tokens."""
    answer = model.answer(tokens, stage, answers)
    return float(answer.nats()), len(answer.targets)


def _roll(tokens: SoftTokens) -> SoftTokens:
    """Each utterance gets its neighbour's tokens."""
    return tokens.rows(torch.arange(len(tokens.counts), device=tokens.counts.device).roll(1))
