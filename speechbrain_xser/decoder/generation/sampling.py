"""Sampled answers: the next token is drawn from the softmax of the logits, or from its most probable part.

Every answer draws with a generator of its own, seeded by its place, so it does not depend on what is sampled beside it.
What a token is depends on the decoder: of an LLM a piece of text, of the heads a frame's character or an emotion.
Source of the truncation: nucleus sampling (Holtzman et al., 2020, ICLR).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.errors import SettingsError


class Sampling(NamedTuple):
    """How answers are drawn.

    Example
    -------
    >>> Sampling(temperature=0.7, top_p=0.9, answers=4).answers
    4
    """

    temperature: float = 1.0  # of the logits; below 1 likely tokens become likelier
    top_p: float = 1.0  # the fewest tokens whose probabilities reach it are drawn from
    answers: int = 1  # of each prompt
    seed: int = 0

    def checked(self) -> Sampling:
        """The same; SettingsError where a value is out of range."""
        if self.temperature <= 0 or not 0 < self.top_p <= 1 or self.answers < 1:
            raise SettingsError(f"{self}: expected a temperature above 0, a top_p in (0, 1] and at least one answer.")
        return self


class SampledAnswer(NamedTuple):
    """One answer of a prompt."""

    text: str
    log_prob: float  # nats of the whole answer by the decoder itself: at temperature 1, nothing cut off


class Sampler:
    """Draws the tokens of one answer.

    Arguments
    ---------
    sampling : Sampling
        Temperature and top-p.
    seed : int
        Of this answer.

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
        """A token from logits [V], which may be minus infinity where a rule forbids one."""
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
    """The most probable tokens that together reach a probability, the others set to zero.

    Arguments
    ---------
    probabilities : Tensor
        Of all tokens, [V].
    top_p : float
        The token that reaches it is kept.

    Returns
    -------
    Tensor
        [V], not normalised.

    Example
    -------
    >>> nucleus(torch.tensor([0.1, 0.5, 0.15, 0.25]), 0.6)
    tensor([0.0000, 0.5000, 0.0000, 0.2500])
    """
    ordered, places = probabilities.sort(descending=True, stable=True)
    kept = ordered.cumsum(-1) - ordered < top_p
    return torch.zeros_like(probabilities).scatter(-1, places[kept], ordered[kept])
