"""Explains many clips with a recogniser; clips of similar length share a batch, which saves padding and memory.

This loop serves the evaluation of a manifest, ``xser explain`` and the timeline. Each clip keeps its place, so that the
caller can restore its own order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from speechbrain_xser.utils.lengths import padded

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

JOINED = 8  # batches whose answers are generated together


def explain_by_length(
    recognizer: ExplainableEmotionRecognizer,
    lengths: Mapping[int, float],
    read: Callable[[int], Tensor | None],
    batch_size: int,
    batch_length: float | None = None,
    joined: int = JOINED,
    speech_check: bool | None = None,
    unknown: bool | None = None,
) -> Iterator[tuple[int, Explanation]]:
    """Explains clips, short ones first.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        The model.
    lengths : mapping of int to float
        The length of each clip, in any unit, by its place.
    read : callable
        Gives the waveform at a place, [S]; ``None`` for a clip that is left out. It is called when a clip's turn comes.
    batch_size : int
        Clips that go through the encoder together; it does not change an explanation.
    batch_length : float, optional
        Instead, the padded length of a batch in the unit of ``lengths``: its number of clips times its longest.
    joined, speech_check, unknown
        As for :meth:`~speechbrain_xser.inference.recognizer.ExplainableEmotionRecognizer.explain_batches`.

    Yields
    ------
    tuple of (int, Explanation)
        The place of each clip that was read, and its explanation; clips of equal length keep the order of ``lengths``.

    Example
    -------
    >>> import torch
    >>> from types import SimpleNamespace
    >>> def explain_batches(batches, *_, **__):
    ...     return ([f"a batch of {len(wavs)}"] * len(wavs) for wavs, _ in batches)
    >>> recognizer = SimpleNamespace(explain_batches=explain_batches)  # a real one gives explanations
    >>> waves = [torch.ones(5), torch.ones(2), None, torch.ones(3)]
    >>> list(explain_by_length(recognizer, {0: 5, 1: 2, 2: 9, 3: 3}, waves.__getitem__, batch_size=2))
    [(1, 'a batch of 2'), (3, 'a batch of 2'), (0, 'a batch of 1')]
    """
    order, batches = sorted(lengths, key=lengths.__getitem__), deque()

    def waveforms() -> Iterator[tuple[Tensor, Tensor]]:
        for group in _groups(order, lengths, batch_size, batch_length):
            found = {place: read(place) for place in group}
            waves = {place: wave for place, wave in found.items() if wave is not None}
            if waves:
                batches.append(list(waves))
                yield padded(list(waves.values()))

    options = {"joined": joined, "speech_check": speech_check, "unknown": unknown}
    for explained in recognizer.explain_batches(waveforms(), **options):
        yield from zip(batches.popleft(), explained, strict=True)


def _groups(
    order: Sequence[int], lengths: Mapping[int, float], batch_size: int, batch_length: float | None
) -> Iterator[list[int]]:
    """The places of each batch, where those of ``order`` grow in length.

    Example
    -------
    >>> lengths = {0: 1.0, 1: 1.0, 2: 2.0, 3: 9.0}
    >>> list(_groups([0, 1, 2, 3], lengths, 3, None)), list(_groups([0, 1, 2, 3], lengths, 3, 4.0))
    ([[0, 1, 2], [3]], [[0, 1], [2], [3]])
    """
    group: list[int] = []
    for place in order:
        count = len(group) + 1
        full = len(group) == batch_size if batch_length is None else count * lengths[place] > batch_length
        if group and full:
            yield group
            group = []
        group.append(place)
    if group:
        yield group
