"""Diarization error rate of recordings in which nobody speaks while another does.

``(missed + false alarm + confused) / speech`` in seconds, with the one-to-one match of speakers that confuses least
(NIST's RT evaluations). A collar leaves out so many seconds on both sides of each boundary of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment


class Segment(NamedTuple):
    """Speech of one speaker."""

    start_seconds: float
    end_seconds: float
    speaker: str


class Errors(NamedTuple):
    """Seconds of a recording."""

    speech: float  # of the reference
    missed: float  # speech that nobody is said to speak
    false_alarm: float  # no speech, but somebody is said to speak
    confused: float  # speech of another speaker

    @property
    def rate(self) -> float:
        """The diarization error rate."""
        return (self.missed + self.false_alarm + self.confused) / self.speech


def diarization_errors(reference: Sequence[Segment], found: Sequence[Segment], collar: float = 0.0) -> Errors:
    """Compares who speaks when.

    Arguments
    ---------
    reference, found : sequence of Segment
        Segments of one side do not overlap.
    collar : float
        Seconds on both sides of a boundary of the reference that do not count.

    Returns
    -------
    Errors

    Example
    -------
    >>> truth = [Segment(0, 4, "Anna"), Segment(5, 9, "Bob")]
    >>> found = diarization_errors(truth, [Segment(0, 4, "one"), Segment(4.5, 7, "one"), Segment(7, 8, "two")])
    >>> found, found.rate  # 8 to 9 is missed, 4.5 to 5 is nobody's, 5 to 7 is said to be Anna's
    (Errors(speech=8.0, missed=1.0, false_alarm=0.5, confused=2.0), 0.4375)
    """
    whole, pairs = {"speech": 0.0, "missed": 0.0, "false_alarm": 0.0}, {}
    for seconds, truth, said in _stretches(reference, found, collar):
        whole["speech"] += seconds * (truth is not None)
        whole["missed"] += seconds * (truth is not None and said is None)
        whole["false_alarm"] += seconds * (truth is None and said is not None)
        if truth is not None and said is not None:
            pairs[truth, said] = pairs.get((truth, said), 0.0) + seconds
    return Errors(**whole, confused=max(0.0, sum(pairs.values()) - _matched(pairs)))


def total(errors: Sequence[Errors]) -> Errors:
    """The errors of several recordings."""
    return Errors(*map(sum, zip(*errors, strict=True)))


def _stretches(
    reference: Sequence[Segment], found: Sequence[Segment], collar: float
) -> Iterator[tuple[float, str | None, str | None]]:
    """Seconds between two neighbouring boundaries, and who speaks there in truth and as it was found."""
    edges = [edge for segment in reference for edge in segment[:2]]
    cuts = {edge for segment in [*reference, *found] for edge in segment[:2]}
    cuts |= {edge + side for edge in edges for side in (-collar, collar)}
    ordered = sorted(cuts)
    for start, end in zip(ordered, ordered[1:], strict=False):
        middle = (start + end) / 2
        if all(abs(middle - edge) >= collar for edge in edges):
            yield end - start, _speaker(reference, middle), _speaker(found, middle)


def _speaker(segments: Sequence[Segment], second: float) -> str | None:
    return next((segment.speaker for segment in segments if segment[0] <= second < segment[1]), None)


def _matched(pairs: dict[tuple[str, str], float]) -> float:
    """Seconds of the best match of speakers to those found."""
    truths, founds = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    seconds = [pairs.get((truth, said), 0.0) for truth in truths for said in founds]
    together = np.array(seconds).reshape(len(truths), len(founds))
    rows, columns = linear_sum_assignment(together, maximize=True)
    return float(together[rows, columns].sum())
