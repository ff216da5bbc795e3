"""Where a voice's pitch ranks among voices of its gender, in the package's reference speech."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from speechbrain_xser.annotator.cutoffs import PITCH_PERCENTILES
from speechbrain_xser.annotator.measures import Measures

SHARES = tuple(range(0, 101, 5))  # percent
KEY = "pitch_percentiles_hertz"  # in reference.json


def pitch_percentile(hertz: float | None, gender: str | None) -> float | None:
    """Percent of the reference's clips of that gender with a lower median pitch, linearly interpolated.

    Example
    -------
    >>> pitch_percentile(50.0, "male"), pitch_percentile(600.0, "male"), pitch_percentile(None, "male")
    (0.0, 100.0, None)
    >>> pitch_percentile(180.0, "female") < pitch_percentile(180.0, "male")
    True
    """
    if hertz is None or gender not in PITCH_PERCENTILES:
        return None
    return float(np.interp(hertz, _reference()[gender], SHARES))


def percentiles_of(clips: Iterable[tuple[Measures, str | None]]) -> dict[str, list[float]]:
    """Makes the reference table from clips.

    Arguments
    ---------
    clips : iterable of (Measures, str or None)
        The measures of each clip, and its speaker's gender if known.

    Returns
    -------
    dict
        By gender, hertz at each of ``SHARES``.

    Example
    -------
    >>> clips = [(Measures(f0_hertz=100.0 + step), gender) for step in range(101) for gender in ("male", "female")]
    >>> table = percentiles_of(clips)
    >>> table["male"][1], table["female"][-1]
    (105.0, 200.0)
    """
    heard = {gender: [] for gender in PITCH_PERCENTILES}
    for measures, gender in clips:
        if gender in heard and measures.f0_hertz is not None:
            heard[gender].append(measures.f0_hertz)
    return {gender: [float(value) for value in np.percentile(hertz, SHARES)] for gender, hertz in heard.items()}


@cache
def _reference() -> dict[str, list[float]]:
    return json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))[KEY]
