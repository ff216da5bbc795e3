"""Explains many clips with a recogniser; clips of similar length share a batch, which saves padding and memory.

This loop serves the evaluation of a manifest, ``xser explain`` and the timeline. Each clip keeps its place, so that the
caller can restore its own order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
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
        for start in range(0, len(order), batch_size):
            found = {place: read(place) for place in order[start : start + batch_size]}
            waves = {place: wave for place, wave in found.items() if wave is not None}
            if waves:
                batches.append(list(waves))
                yield padded(list(waves.values()))

    options = {"joined": joined, "speech_check": speech_check, "unknown": unknown}
    for explained in recognizer.explain_batches(waveforms(), **options):
        yield from zip(batches.popleft(), explained, strict=True)
