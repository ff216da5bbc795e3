"""Intonation: how lively the pitch is, and in which direction it moves.

Both use voiced frames only, joined together, in semitones: a gap without voice, however long, changes nothing, and
neither does a higher or lower voice. A movement counts from three semitones on, since smaller ones play no part in
communication (J. 't Hart, "Differential sensitivity to pitch distance, particularly in speech", JASA 69(3), 1981).
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechbrain_xser.answer.record import INTONATIONS

CONTOURS = ("rising", "falling", "rising-falling", "falling-rising", "level")
MOVE_SEMITONES = 3.0
FEWEST_VOICED = 10  # frames, 0.1 s; fewer have no contour
TURNS = 15  # positions tried for the turn, none in the first or last tenth
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95  # the range excludes what single tracking errors could cause
FLAT_SEMITONES = 7.8  # flat below: the mean of the lower terciles of RAVDESS, CREMA-D, EmoDB and LibriSpeech
LIVELY_SEMITONES = 11.4  # lively from here on: the mean of their upper terciles


def range_semitones(hertz: Tensor) -> float | None:
    """Range of the pitch, 5th to 95th percentile of the voiced frames; None for fewer than ten."""
    voiced = _semitones(hertz)
    if len(voiced) < FEWEST_VOICED:
        return None
    low, high = voiced.quantile(torch.tensor([LOW_QUANTILE, HIGH_QUANTILE], dtype=voiced.dtype)).tolist()
    return high - low


def liveliness(semitones: float | None) -> str | None:
    """The manifest's word for a range: ``flat`` below 7.8 semitones, ``lively`` from 11.4 on, else ``normal``."""
    if semitones is None:
        return None
    return INTONATIONS[(semitones >= FLAT_SEMITONES) + (semitones >= LIVELY_SEMITONES)]


def contour(hertz: Tensor) -> str | None:
    """The direction of the pitch, by the two straight lines, joined at a turn, that fit it best: one of ``CONTOURS``.

    Two moves of at least three semitones, one up and one down, name the contour. Otherwise the largest of both moves
    and their sum names it, if it reaches three semitones. Fewer than ten voiced frames give None.
    """
    voiced = _semitones(hertz)
    if len(voiced) < FEWEST_VOICED:
        return None
    moves = _moves(voiced)
    first, second = moves
    if min(abs(first), abs(second)) >= MOVE_SEMITONES and first * second < 0:
        return "rising-falling" if first > 0 else "falling-rising"
    largest = max(first, second, first + second, key=abs)
    return "level" if abs(largest) < MOVE_SEMITONES else "rising" if largest > 0 else "falling"


def _semitones(hertz: Tensor) -> Tensor:
    """Voiced frames in semitones, [V] float64."""
    return 12 * hertz[hertz > 0].double().log2()


def _moves(voiced: Tensor) -> tuple[float, float]:
    """Semitones to the turn and from there to the end, for the least-squares lines over all turns tried."""
    place = torch.linspace(0, 1, len(voiced), dtype=voiced.dtype)
    turns = torch.linspace(0.1, 0.9, TURNS, dtype=voiced.dtype)
    lines = torch.stack(
        [
            torch.ones(TURNS, len(voiced), dtype=voiced.dtype),
            place.minimum(turns[:, None]) / turns[:, None],
            (place - turns[:, None]).clamp_min(0) / (1 - turns[:, None]),
        ],
        dim=2,
    )  # [turns, V, 3]: the start, the move to the turn, the move from there
    transposed = lines.transpose(1, 2)
    weights = torch.linalg.solve(transposed @ lines, transposed @ (voiced - voiced.mean()))
    errors = ((lines @ weights[..., None]).squeeze(2) - (voiced - voiced.mean())).square().sum(1)
    return tuple(weights[errors.argmin(), 1:].tolist())
