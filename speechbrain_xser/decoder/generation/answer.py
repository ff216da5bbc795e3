"""One answer during generation: picks the next token from the decoder's logits, within the caller's rules.

All of this runs on the host. Each step transfers one list of the likeliest tokens from the device; logits are read only
if a rule forbids one of these tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from speechbrain_xser.decoder.generation.sampling import Sampler

MOST_DRAFTS = 16  # in one step


class GreedyAnswer(NamedTuple):
    """The likeliest answer."""

    text: str
    ended: bool  # by itself, and not at its limit


class Guide(Protocol):
    """Says which tokens may come next, for answers of a given form."""

    def allowed(self) -> Sequence[int] | None:
        """The only tokens that may come next; ``None`` for any."""
        ...

    def refused(self) -> Sequence[int]:
        """Tokens that must not come next."""
        ...

    def forced(self) -> list[int]:
        """The next tokens, as long as there is no choice."""
        ...

    def add(self, token: int) -> None:
        """Records the next token."""
        ...


class Drafter(Protocol):
    """Drafts tokens, which are checked together; a correct one costs no step of its own."""

    def guess(self, ids: Sequence[int], limit: int) -> list[int]:
        """Likely continuations of these tokens, at most ``limit``; may be empty."""
        ...

    def learn(self, ids: Sequence[int]) -> None:
        """Records tokens whose last one is new."""
        ...


class PartialAnswer:
    """The answer of one row.

    Arguments
    ---------
    begun : sequence of int
        Token ids that the answer starts with; they are processed with the prompt.
    limit : int
        Maximum number of new tokens.
    ends : collection of int
        Ids that end an answer.
    odd_quotes : collection of int
        Ids with an odd number of quotation marks; an answer cannot end inside a quotation. Empty for no such rule.
    guide : Guide, optional
        Constrains the form of the answer.
    drafter : Drafter, optional
        Drafts tokens.
    sampler : Sampler, optional
        Samples each token; without it the likeliest is taken.

    Example
    -------
    >>> answer = PartialAnswer(begun=[], limit=9, ends={2}, odd_quotes={5})
    >>> likely = torch.tensor([[0.0, 1.0, 9.0, 0.0, 0.0, 0.0]])
    >>> answer.take([5], likely)  # a quotation is open, so the likeliest token, which ends the answer, is forbidden
    >>> answer.take([2], likely)
    >>> answer.new, answer.ended
    ([5, 1], False)
    """

    def __init__(
        self,
        begun: Sequence[int],
        limit: int,
        ends: Collection[int],
        odd_quotes: Collection[int] = (),
        guide: Guide | None = None,
        drafter: Drafter | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        self.new: list[int] = []
        self.ended, self.cut = False, False  # cut: at its limit
        self.drafts: list[int] = []  # fed together with the last token
        self._begun, self._limit, self._ends, self._odd = list(begun), limit, ends, odd_quotes
        self._open = sum(token in odd_quotes for token in begun) % 2 == 1
        self._guide, self._drafter, self._sampler = guide, drafter, sampler

    @property
    def most(self) -> int:
        """The most positions that the answer may take, including wrong drafts."""
        return self._limit + MOST_DRAFTS

    @property
    def fed(self) -> list[int]:
        """The tokens of the next step: the last one, and the drafts."""
        return [self.new[-1], *self.drafts]

    def take(self, likeliest: Sequence[int], logits: Tensor) -> None:
        """Adds a token for each that was fed, as long as the drafts are correct, and drafts the next ones.

        Arguments
        ---------
        likeliest : sequence of int
            The likeliest token after each token that was fed.
        logits : Tensor
            The corresponding logits, [n, V].
        """
        drafts, self.drafts = self.drafts, []
        for place, token in enumerate(likeliest[: len(drafts) + 1]):
            token = self._settled(token, logits[place])
            self._add(token)
            if self.ended:
                return
            if place < len(drafts) and token != drafts[place]:
                break
        self.drafts = self._guesses()

    def _settled(self, token: int, logits: Tensor) -> int:
        """The likeliest token that the rules allow, or one sampled from the allowed ones."""
        allowed = None if self._guide is None else self._guide.allowed()
        refused = [*(self._ends if self._open else ()), *(() if self._guide is None else self._guide.refused())]
        if self._sampler is not None:
            return self._sampler.draw(_ruled(logits, allowed, refused))
        if allowed is not None:
            return token if token in allowed else allowed[int(logits[list(allowed)].argmax())]
        return int(_ruled(logits, None, refused).argmax()) if token in refused else token

    def _add(self, token: int) -> None:
        if token in self._ends:
            self.ended = True
            return
        self.new.append(token)
        self._open ^= token in self._odd
        if self._guide is not None:
            self._guide.add(token)
        if self._drafter is not None:
            self._drafter.learn([*self._begun, *self.new])
        self.ended = self.cut = len(self.new) == self._limit

    def _guesses(self) -> list[int]:
        left = min(MOST_DRAFTS, self._limit - len(self.new) - 1)
        forced = [] if self._guide is None else self._guide.forced()[:left]
        if forced or self._drafter is None:
            return forced
        return self._drafter.guess([*self._begun, *self.new], left)


def _ruled(logits: Tensor, allowed: Sequence[int] | None, refused: list[int]) -> Tensor:
    """The logits, with minus infinity for tokens that are refused or not allowed."""
    if allowed is not None:
        places = torch.tensor(allowed, device=logits.device)
        return torch.full_like(logits, -torch.inf).index_copy(0, places, logits[places])
    return logits.index_fill(0, torch.tensor(refused, dtype=torch.long, device=logits.device), -torch.inf)
