"""Speculative decoding from earlier answers: paragraphs repeat each other, and a correct draft is free."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence


class NGramDrafts:
    """Remembers which token followed the last tokens when they occurred before, in any answer so far.

    Threads may share it: each operation is a single one on a dictionary, and none relies on the one before.

    Source: prompt lookup decoding (Saxena, 2023), over answers instead of a prompt.

    Arguments
    ---------
    length : int
        Most tokens of a draft; each costs a position, whether correct or not.
    context : int
        Number of last tokens that have to agree.
    remembered : int
        Most contexts that are kept; the least recently used are dropped.

    Example
    -------
    >>> drafts = NGramDrafts(length=2, context=2)
    >>> for stop in range(1, 7):
    ...     drafts.learn([4, 7, 1, 4, 7, 3][:stop])
    >>> drafts.guess([9, 4, 7], limit=5), drafts.guess([9, 7, 1], limit=5), drafts.guess([8, 8], limit=5)
    ([3], [4, 7], [])
    """

    def __init__(self, length: int = 4, context: int = 2, remembered: int = 20_000) -> None:
        self.length, self.context, self.remembered = length, context, remembered
        self._next: OrderedDict[tuple[int, ...], int] = OrderedDict()

    def learn(self, ids: Sequence[int]) -> None:
        """Records the last token of an answer."""
        known = tuple(ids[-self.context - 1 : -1])
        if len(known) == self.context:
            self._next.pop(known, None)
            self._next[known] = ids[-1]  # the last to be dropped
            if len(self._next) > self.remembered:
                self._next.popitem(last=False)

    def guess(self, ids: Sequence[int], limit: int) -> list[int]:
        """What followed these tokens when they last occurred, token by token."""
        known, guessed = tuple(ids[-self.context :]), []
        while len(guessed) < min(limit, self.length) and (token := self._next.get(known)) is not None:
            guessed.append(token)
            known = (*known[1:], token)
        return guessed
