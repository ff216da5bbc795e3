"""Which tokens of an answer each part of its reward counts for.

A quoted word is right or wrong when it is written, a claim when its words are; what follows cannot change that. So a
token carries the advantages of the parts that are settled at it or after it:

``A_t = sum over parts k with end_k >= t of d ** n(t, k) * (r_k - mean of r_k over the other answers)``

``n(t, k)`` is the number of places at which something is settled between the token and the end of the part, and d a
discount. With d = 1 the gradient has the same expectation as with one advantage for the whole answer, since a token's
log-probability has a gradient of mean 0 whatever came before it; the noise of what was settled before is left out. (Of
words only nearly: a quote is aligned as a whole, and later words can change what an earlier one counts as.) With
d = 0 a token answers for its own word or claim only. That leaves out what one piece of the text does to the truth of
another, and most of the noise.

What is settled only by the whole answer (a field that is never named, a loop) counts for all tokens, undiscounted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from os.path import commonprefix
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.training.policy import constant_groups, leave_one_out


class Credit(NamedTuple):
    """What one part of an answer's reward is worth, and where it is settled."""

    value: float  # weighed
    end: int | None = None  # characters of the answer up to its last one; None: it is settled by the whole answer


Credits = Mapping[str, Credit]  # by the name of the part
NOTHING = Credit(0.0)


def written_after(ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> list[int]:
    """How many characters of an answer are written after each of its tokens.

    Arguments
    ---------
    ids : sequence of int
        The answer's tokens.
    text_of : callable
        The text of tokens. A character of several tokens is written with its last one.

    Returns
    -------
    list of int
        For each token, never falling.

    Example
    -------
    >>> written_after([72, 195, 169, 33], lambda ids: bytes(ids).decode("utf-8", "replace"))  # H, both bytes of an e, !
    [1, 1, 2, 3]
    """
    whole = text_of(ids)
    counts = (len(commonprefix([whole, text_of(ids[: place + 1])])) for place in range(len(ids)))
    return list(accumulate(counts, max))


def settling_token(end: int, written: Sequence[int]) -> int:
    """The place of the token with which a part is settled: a word is over with the character after it.

    Example
    -------
    >>> settling_token(4, [2, 5, 9]), settling_token(5, [2, 5, 9]), settling_token(9, [2, 5, 9])
    (1, 2, 2)
    """
    return min(bisect_right(written, end), len(written) - 1)


def part_values(group: Sequence[Credits]) -> Tensor:
    """What each of P parts is worth in each of a clip's G answers, [P, G] float64; one that is missing is worth 0."""
    table = [[credits.get(name, NOTHING).value for credits in group] for name in _names(group)]
    return torch.tensor(table, dtype=torch.float64).reshape(len(table), len(group))


def token_advantages(
    group: Sequence[Credits], written: Sequence[Sequence[int]], discount: float
) -> list[Tensor]:
    """The advantage of each token of a clip's answers.

    Arguments
    ---------
    group : sequence of mapping of str to Credit
        Of G answers.
    written : sequence of sequence of int
        As :func:`written_after` gives it for each answer.
    discount : float
        In 0..1, for each place between a token and the end of a part at which something else is settled.

    Returns
    -------
    list of Tensor
        [N] float64 of each answer.

    Example
    -------
    >>> right = {"words": Credit(0.0, end=3), "emotion": Credit(1.0, end=8)}
    >>> wrong = {"words": Credit(-0.5, end=3), "emotion": Credit(0.0)}
    >>> [one.tolist() for one in token_advantages([right, wrong], [[3, 4, 8, 9], [4, 8]], discount=1.0)]
    [[1.5, 1.5, 1.0, 1.0], [-1.5, -1.0]]
    >>> [one.tolist() for one in token_advantages([right, wrong], [[3, 4, 8, 9], [4, 8]], discount=0.0)]
    [[0.5, 1.5, 1.0, 1.0], [-1.5, -1.0]]
    """
    names, found = _names(group), []
    for credits, places, worth in zip(group, written, leave_one_out(part_values(group)).T, strict=True):
        shares = _shares([credits.get(name, NOTHING).end for name in names], places, discount)
        found.append((shares * worth[:, None]).sum(0))
    return found


def _shares(ends: Sequence[int | None], written: Sequence[int], discount: float) -> Tensor:
    """How much of each of P parts each of N tokens carries, [P, N]."""
    known, found = sorted({end for end in ends if end is not None}), torch.ones(len(ends), len(written))
    at = torch.tensor([bisect_left(known, count) for count in written])  # the stretch that a token ends in
    for row, end in zip(found, ends, strict=True):
        if end is not None:
            row.copy_(discount ** (known.index(end) - at).clamp(min=0))
            row[settling_token(end, written) + 1 :] = 0
    return found.double()


def constant_parts(group: Sequence[Credits]) -> list[bool]:
    """Which parts are worth the same in all answers of a clip: they teach nothing."""
    return constant_groups(part_values(group)).tolist()


def _names(group: Sequence[Credits]) -> list[str]:
    return list(dict.fromkeys(name for credits in group for name in credits))
