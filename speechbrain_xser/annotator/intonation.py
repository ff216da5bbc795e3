"""Intonation: how lively the pitch is, and which way it goes.

Both look at voiced frames only, one after another, in semitones: a gap without voice, however long, changes nothing,
nor does a higher or lower voice. A movement counts from three semitones on, since smaller ones play no part in
communication (J. 't Hart, "Differential sensitivity to pitch distance, particularly in speech", JASA 69(3), 1981).
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechbrain_xser.answer.record import INTONATIONS

CONTOURS = ("rising", "falling", "rising-falling", "falling-rising", "level")
MOVE_SEMITONES = 3.0
FEWEST_VOICED = 10  # frames, 0.1 s: fewer have no contour
TURNS = 15  # places of the turn that are tried, none in the first or last tenth
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95  # the range leaves out what single errors could make
FLAT_SEMITONES = 7.8  # below is flat; measured: the mean of the lower terciles of RAVDESS, CREMA-D, EmoDB, LibriSpeech
LIVELY_SEMITONES = 11.4  # from here on lively; the mean of their upper terciles


def range_semitones(hertz: Tensor) -> float | None:
    """Range of the pitch, from the 5th to the 95th percentile of the voiced frames.

    Arguments
    ---------
    hertz : Tensor
        Pitch, [T], 0 where unvoiced.

    Returns
    -------
    float or None
        Semitones; None for fewer than ten voiced frames.

    Example
    -------
    >>> range_semitones(torch.tensor([100.0] * 20 + [0.0] * 50 + [200.0] * 20))
    12.0
    """
    voiced = _semitones(hertz)
    if len(voiced) < FEWEST_VOICED:
        return None
    low, high = voiced.quantile(torch.tensor([LOW_QUANTILE, HIGH_QUANTILE], dtype=voiced.dtype)).tolist()
    return high - low


def liveliness(semitones: float | None) -> str | None:
    """The manifest's word for a range of pitch.

    Arguments
    ---------
    semitones : float or None
        As :func:`range_semitones` gives it.

    Returns
    -------
    str or None
        ``flat`` below 7.8 semitones, ``lively`` from 11.4 on, else ``normal``; None for None.

    Example
    -------
    >>> [liveliness(semitones) for semitones in (2.0, 8.0, 14.0, None)]
    ['flat', 'normal', 'lively', None]
    """
    if semitones is None:
        return None
    return INTONATIONS[(semitones >= FLAT_SEMITONES) + (semitones >= LIVELY_SEMITONES)]


def contour(hertz: Tensor) -> str | None:
    """Which way the pitch goes, by the two straight lines, joined at a turn, that fit it best.

    Two moves of three semitones and more, one up and one down, name the contour; otherwise the largest of both moves
    and their sum does, if it reaches three semitones.

    Arguments
    ---------
    hertz : Tensor
        Pitch, [T], 0 where unvoiced.

    Returns
    -------
    str or None
        One of ``CONTOURS``; None for fewer than ten voiced frames.

    Example
    -------
    >>> up, gap = torch.linspace(100, 150, 50), torch.zeros(40)
    >>> contour(up), contour(torch.cat([up, gap, up.flip(0)])), contour(torch.full((50,), 120.0))
    ('rising', 'rising-falling', 'level')
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
    """Semitones to the turn and from it to the end, of the lines of least squares over all turns tried."""
    place = torch.linspace(0, 1, len(voiced), dtype=voiced.dtype)
    turns = torch.linspace(0.1, 0.9, TURNS, dtype=voiced.dtype)
    lines = torch.stack(
        [
            torch.ones(TURNS, len(voiced), dtype=voiced.dtype),
            place.minimum(turns[:, None]) / turns[:, None],
            (place - turns[:, None]).clamp_min(0) / (1 - turns[:, None]),
        ],
        dim=2,
    )  # [turns, V, 3]: where it starts, how far it goes to the turn, how far from there
    transposed = lines.transpose(1, 2)
    weights = torch.linalg.solve(transposed @ lines, transposed @ (voiced - voiced.mean()))
    errors = ((lines @ weights[..., None]).squeeze(2) - (voiced - voiced.mean())).square().sum(1)
    return tuple(weights[errors.argmin(), 1:].tolist())
