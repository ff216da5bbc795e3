"""Sampling: the next token is drawn from the softmax of the logits, or from its most probable part.

Every answer has its own generator, seeded by its index, so it does not depend on what else is sampled.
A token is a piece of text for an LLM, and a frame's character or an emotion for the heads.
Source of the truncation: nucleus sampling (Holtzman et al., 2020, ICLR).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.errors import SettingsError

MOST_SEED = 1 << 63  # of PyTorch's generators


class Sampling(NamedTuple):
    """How answers are sampled.

    Example
    -------
    >>> Sampling(temperature=0.7, top_p=0.9, answers=4).answers
    4
    """

    temperature: float = 1.0  # divides the logits; below 1, likely tokens become likelier
    top_p: float = 1.0  # samples from the fewest tokens whose probabilities add up to this
    answers: int = 1  # for each prompt
    seed: int | Sequence[int] = 0  # of all prompts, or one for each, which is then answered alike in any batch

    def checked(self) -> Sampling:
        """Returns itself; a value out of range raises a ``SettingsError``."""
        if self.temperature <= 0 or not 0 < self.top_p <= 1 or self.answers < 1:
            raise SettingsError(f"{self}: expected a temperature above 0, a top_p in (0, 1] and at least one answer.")
        return self


class SampledAnswer(NamedTuple):
    """One sampled answer to a prompt."""

    text: str
    log_prob: float  # nats of the whole answer by the decoder itself: temperature 1, no truncation
    ids: tuple[int, ...] = ()  # its tokens as they were drawn, the end included if it ended by itself
    log_probs: tuple[float, ...] = ()  # nats of each of them
    ended: bool = True  # by itself, and not at its limit


class Sampler:
    """Samples the tokens of one answer.

    Example
    -------
    >>> sampler = Sampler(Sampling(top_p=0.5), seed=0)
    >>> sampler.draw(torch.tensor([0.1, 0.6, 0.3]).log())  # the first token alone reaches 0.5
    1
    >>> round(sampler.log_prob, 3)  # log 0.6
    -0.511
    """

    def __init__(self, sampling: Sampling, seed: int) -> None:
        self.sampling = sampling
        self.ids: list[int] = []
        self.log_probs: list[float] = []
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def log_prob(self) -> float:
        """Nats of all tokens so far."""
        return sum(self.log_probs)

    def draw(self, logits: Tensor) -> int:
        """Samples a token from logits, [V], which are minus infinity for forbidden tokens.

        From logits that are not numbers it takes any token, whose log-probability is then not a number either.
        """
        log_probs = logits.detach().cpu().float().log_softmax(-1)
        tempered = log_probs if self.sampling.temperature == 1 else log_probs / self.sampling.temperature
        probabilities = tempered.exp() if tempered is log_probs else tempered.softmax(-1)
        token = self._placed(nucleus(probabilities, self.sampling.top_p))
        self.ids.append(token)
        self.log_probs.append(float(log_probs[token]))
        return token

    def _placed(self, probabilities: Tensor) -> int:
        """The token at a uniform place in the cumulative distribution: one random number, whatever the vocabulary."""
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)
        place = torch.rand((), dtype=torch.float64, generator=self._generator) * cumulative[-1]
        token = int(torch.searchsorted(cumulative, place, right=True))
        return token if token < len(cumulative) else int(probabilities.argmax())


def samplers(sampling: Sampling, prompts: int) -> list[list[Sampler]]:
    """A sampler for each answer of each prompt.

    Arguments
    ---------
    sampling : Sampling
        How many answers, and the seed.
    prompts : int
        How many prompts.

    Returns
    -------
    list of list of Sampler
        By prompt and answer, each with a seed of its own.

    Raises
    ------
    SettingsError
        If a value of ``sampling`` is out of range, or there is not one seed for each prompt.

    Example
    -------
    >>> [len(row) for row in samplers(Sampling(answers=3), prompts=2)]
    [3, 3]
    """
    count = sampling.checked().answers
    if isinstance(sampling.seed, int):
        first = [sampling.seed * 1_000_003 + prompt * count for prompt in range(prompts)]
    else:
        first = list(sampling.seed)
    if len(first) != prompts:
        raise SettingsError(f"{len(first)} seeds and {prompts} prompts: give one seed for each, or one for all.")
    return [[Sampler(sampling, (seed + number) % MOST_SEED) for number in range(count)] for seed in first]


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Probabilities, [V] and not normalised, of the likeliest tokens that together reach ``top_p``; others are 0."""
    if top_p == 1:
        return probabilities
    ordered, places = probabilities.sort(descending=True, stable=True)
    kept = ordered.cumsum(-1) - ordered < top_p
    return torch.zeros_like(probabilities).scatter(-1, places[kept], ordered[kept])
