"""Sampling: the next token is drawn from the softmax of the logits, or from its most probable part.

Every answer has its own generator, seeded by its index, so it does not depend on what else is sampled.
A token is a piece of text for an LLM, and a frame's character or an emotion for the heads.
Source of the truncation: nucleus sampling (Holtzman et al., 2020, ICLR).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.errors import SettingsError


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
    seed: int = 0

    def checked(self) -> Sampling:
        """Returns itself; a value out of range raises a ``SettingsError``."""
        if self.temperature <= 0 or not 0 < self.top_p <= 1 or self.answers < 1:
            raise SettingsError(f"{self}: expected a temperature above 0, a top_p in (0, 1] and at least one answer.")
        return self


class SampledAnswer(NamedTuple):
    """One sampled answer to a prompt."""

    text: str
    log_prob: float  # nats of the whole answer by the decoder itself: temperature 1, no truncation


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
        self.sampling, self.log_prob = sampling, 0.0
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self, logits: Tensor) -> int:
        """Samples a token from logits, [V], which are minus infinity for forbidden tokens."""
        logits = logits.detach().cpu().double()
        probabilities = nucleus((logits / self.sampling.temperature).softmax(-1), self.sampling.top_p)
        token = int(torch.multinomial(probabilities, 1, generator=self._generator))
        self.log_prob += float(logits.log_softmax(-1)[token])
        return token


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
        If a value of ``sampling`` is out of range.

    Example
    -------
    >>> [len(row) for row in samplers(Sampling(answers=3), prompts=2)]
    [3, 3]
    """
    count = sampling.checked().answers
    seeds = range(sampling.seed * 1_000_003, sampling.seed * 1_000_003 + prompts * count)
    every = [Sampler(sampling, seed) for seed in seeds]
    return [every[start : start + count] for start in range(0, len(every), count)]


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Probabilities, [V] and not normalised, of the likeliest tokens that together reach ``top_p``; others are 0."""
    ordered, places = probabilities.sort(descending=True, stable=True)
    kept = ordered.cumsum(-1) - ordered < top_p
    return torch.zeros_like(probabilities).scatter(-1, places[kept], ordered[kept])
