"""How much work an utterance is, estimated before it is read: the number of its tokens in the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance
    from speechbrain_xser.model import ExplainableSER

SPAN = 10  # seconds over which soft tokens are counted, from SPAN to twice that
PROMPT_TOKENS = 30  # of a single row, after the prefix that all rows share
DESCRIPTION_TOKENS = 35  # of a paragraph without its transcript
CHARACTERS_A_TOKEN = 4


def soft_tokens_a_second(model: ExplainableSER) -> float:
    """Soft tokens that a second of speech adds to a prompt: the output of all branches' adapters.

    A branch that is off in a stage counts too: its tokens are zeros in the same places.

    Arguments
    ---------
    model : ExplainableSER
        Only its encoder's frame formula and its adapters' token formula are used.

    Returns
    -------
    float

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_model
    >>> soft_tokens_a_second(tiny_model(getfixture("tmp_path")))  # two branches: 50 frames a second, five a token
    20.0
    """
    before, after = soft_token_counts(model, torch.tensor([1, 2]) * SPAN * model.encoder.sample_rate).tolist()
    return (after - before) / SPAN


def soft_token_counts(model: ExplainableSER, samples: Tensor) -> Tensor:
    """Soft tokens of clips of so many samples, of all branches together, [B], int64."""
    frames = model.encoder.frame_counts(samples)
    return sum(branch.adapter.token_counts(frames) for branch in model.branches.values())


def most_soft_tokens(model: ExplainableSER, samples: Tensor) -> Tensor:
    """The same at most, [B], int64: an adapter that only estimates its tokens has ``most_tokens``."""
    frames = model.encoder.frame_counts(samples)
    adapters = [branch.adapter for branch in model.branches.values()]
    return sum(getattr(adapter, "most_tokens", adapter.token_counts)(frames) for adapter in adapters)


def predicted_tokens(utterance: Utterance, soft_tokens: float) -> float:
    """Approximate tokens of an utterance in the decoder: soft tokens, prompt, description and transcript.

    Arguments
    ---------
    utterance : Utterance
        Its text.
    soft_tokens : float
        Of its audio.

    Returns
    -------
    float
        At least 1.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> predicted_tokens(Utterance("a", "a.wav", transcript="kids are talking by the door"), 60)  # + 30 + 35 + 7
    132.0
    """
    text = len(utterance.caption or "") or DESCRIPTION_TOKENS * CHARACTERS_A_TOKEN + len(utterance.transcript or "")
    return soft_tokens + PROMPT_TOKENS + text / CHARACTERS_A_TOKEN


def dealt(work: Sequence[float], shares: int) -> list[list[int]]:
    """Deals items out, the largest first, each to the share with the least work, so that all shares are about equal.

    Source: longest processing time first (Graham, 1969, SIAM Journal on Applied Mathematics 17(2)).

    Arguments
    ---------
    work : sequence of float
        Of each item.
    shares : int
        Those beyond the number of items stay empty.

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


def even_cuts(work: Sequence[float], parts: int) -> list[int]:
    """Cuts a sequence into consecutive parts of about the same work, none of them empty.

    Arguments
    ---------
    work : sequence of float
        Of each item.
    parts : int
        How many; at most as many as there are items.

    Returns
    -------
    list of int
        Where the parts start, the first at 0.

    Example
    -------
    >>> even_cuts([5, 1, 1, 1, 1, 1], 2), even_cuts([1, 1, 90], 3)
    ([0, 1], [0, 1, 2])
    """
    done = np.concatenate([[0.0], np.cumsum(np.asarray(work, dtype=np.float64))])
    targets = done[-1] * np.arange(1, parts) / parts
    after = np.searchsorted(done, targets).clip(1, len(work))
    nearest = after - (targets - done[after - 1] < done[after] - targets)
    cuts = [0]
    for part, wanted in enumerate(nearest.tolist(), 1):
        cuts.append(min(max(wanted, cuts[-1] + 1), len(work) - (parts - part)))
    return cuts
