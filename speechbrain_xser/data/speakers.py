"""Facts about speakers: their side of a split, and SpeechCraft's band for their age."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from speechbrain_xser.answer.record import AGES
from speechbrain_xser.errors import ManifestError

# First year of each band of AGES. They are our choice: SpeechCraft does not say where its bands start.
BAND_STARTS_YEARS = dict(zip(AGES, (0, 13, 20, 40, 60), strict=True))


def age_band(years: float | None) -> str | None:
    """SpeechCraft's band for an age: child below 13, teenager below 20, youth adult below 40, middle-aged below 60.

    Arguments
    ---------
    years : float | None
        Age, or None if unknown.

    Returns
    -------
    str | None
        One of ``AGES``; None for an unknown age.

    Raises
    ------
    ManifestError
        If the age is outside 0..120.

    Example
    -------
    >>> [age_band(years) for years in (12, 13, 21, 51, 74, None)]
    ['child', 'teenager', 'youth adult', 'middle-aged', 'elderly', None]
    """
    if years is None:
        return None
    if not 0 <= years <= 120:
        raise ManifestError(f"Found an age of {years} years, expected 0 to 120: check the speakers' table.")
    return [band for band, start in BAND_STARTS_YEARS.items() if years >= start][-1]


def split_speakers(speakers: Iterable[str], shares: dict[str, float], seed: str) -> dict[str, str]:
    """Assigns every speaker to one side, the same on every machine.

    The speakers are sorted by ``sha256(seed:speaker)`` and cut at the shares, each cut rounded to the nearest speaker.
    Pass all speakers of a corpus, also those without clips; then no speaker changes sides if a clip is missing.

    Arguments
    ---------
    speakers : Iterable[str]
        Names; repetitions count once.
    shares : dict[str, float]
        Share of the speakers by split, summing to 1.
    seed : str
        Another seed gives another split.

    Returns
    -------
    dict[str, str]
        Split by speaker.

    Raises
    ------
    ManifestError
        If the shares do not sum to 1.

    Example
    -------
    >>> sides = split_speakers(map(str, range(10)), {"train": 0.7, "valid": 0.1, "test": 0.2}, seed="mine")
    >>> [list(sides.values()).count(split) for split in ("train", "valid", "test")]
    [7, 1, 2]
    """
    _check_shares(shares)
    ordered = sorted(set(speakers), key=lambda speaker: _digest(f"{seed}:{speaker}"))
    sides, end, begin = {}, 0.0, 0
    for split, share in shares.items():
        end += share
        stop = round(end * len(ordered))
        sides.update(dict.fromkeys(ordered[begin:stop], split))
        begin = stop
    return sides


def hashed_side(name: str, shares: dict[str, float], seed: str) -> str:
    """The side of one speaker or recording, by its name alone, for a corpus too large to be listed first.

    Unlike with :func:`split_speakers`, the side does not depend on the other names; in return, the shares hold only on
    average.

    Arguments
    ---------
    name : str
        Name of what must not be on two sides.
    shares : dict[str, float]
        Share by split, summing to 1.
    seed : str
        Another seed gives another split.

    Returns
    -------
    str
        One of the shares' keys.

    Raises
    ------
    ManifestError
        If the shares do not sum to 1.

    Example
    -------
    >>> sides = [hashed_side(f"POD{n}", {"train": 0.9, "valid": 0.1}, "mine") for n in range(1000)]
    >>> 70 < sides.count("valid") < 130
    True
    """
    _check_shares(shares)
    drawn, end = int(_digest(f"{seed}:{name}"), 16) / 2**256, 0.0
    for split, share in shares.items():
        end += share
        if drawn < end:
            return split
    return split


def _check_shares(shares: dict[str, float]) -> None:
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise ManifestError(f"Expected shares that sum to 1, found {shares}: change the recipe's shares.")


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
