"""How much work an utterance is, before it is read: the tokens that the LLM will see of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance

SOFT_TOKENS_A_SECOND = 20  # both branches: 50 frames a second, five a token
PROMPT_TOKENS = 30  # of a row's own, after what all rows share
DESCRIPTION_TOKENS = 35  # of a paragraph without its transcript
CHARACTERS_A_TOKEN = 4


def predicted_tokens(utterance: Utterance, seconds: float) -> float:
    """Tokens of an utterance in the decoder, about: soft tokens, prompt, description and transcript.

    Arguments
    ---------
    utterance : Utterance
        Its text.
    seconds : float
        Its length.

    Returns
    -------
    float
        At least 1.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> predicted_tokens(Utterance("a", "a.wav", transcript="kids are talking by the door"), 3.0)  # 60 + 30 + 35 + 7
    132.0
    """
    text = len(utterance.caption or "") or DESCRIPTION_TOKENS * CHARACTERS_A_TOKEN + len(utterance.transcript or "")
    return SOFT_TOKENS_A_SECOND * seconds + PROMPT_TOKENS + text / CHARACTERS_A_TOKEN


def dealt(work: Sequence[float], shares: int) -> list[list[int]]:
    """Deals items out so that every share has about the same work: the largest first, to whoever has least.

    Source: longest processing time first (Graham, 1969, SIAM Journal on Applied Mathematics 17(2)).

    Arguments
    ---------
    work : sequence of float
        Of each item.
    shares : int
        At most as many as there are items; none stays empty.

    Returns
    -------
    list of list of int
        Places of each share's items, the largest first.

    Example
    -------
    >>> dealt([7, 3, 6, 2, 1], 2)  # 10 and 9
    [[0, 3, 4], [2, 1]]
    """
    loads, parts = [0.0] * shares, [[] for _ in range(shares)]
    for place in np.argsort(-np.asarray(work, dtype=np.float64), kind="stable").tolist():
        least = min(range(shares), key=lambda share: (loads[share], len(parts[share])))
        parts[least].append(place)
        loads[least] += work[place]
    return parts


def even_cuts(work: Sequence[float], parts: int, least: int = 1) -> list[int]:
    """Cuts a sequence into consecutive parts of about the same work.

    Arguments
    ---------
    work : sequence of float
        Of each item.
    parts : int
        How many.
    least : int
        Items that every part has; there are at least ``parts * least``.

    Returns
    -------
    list of int
        Where the parts start, the first at 0.

    Example
    -------
    >>> even_cuts([5, 1, 1, 1, 1, 1], 2), even_cuts([90, 1, 1, 1], 2, least=2)
    ([0, 1], [0, 2])
    """
    done = np.concatenate([[0.0], np.cumsum(np.asarray(work, dtype=np.float64))])
    targets = done[-1] * np.arange(1, parts) / parts
    after = np.searchsorted(done, targets).clip(1, len(work))
    nearest = after - (targets - done[after - 1] < done[after] - targets)
    cuts = [0]
    for part, wanted in enumerate(nearest.tolist(), 1):
        cuts.append(min(max(wanted, cuts[-1] + least), len(work) - least * (parts - part)))
    return cuts
