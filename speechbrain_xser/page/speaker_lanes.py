"""Who speaks when: a line of its own for each speaker, so that place and name tell them apart and no colour has to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.page.numbers import clock

if TYPE_CHECKING:
    from speechbrain_xser.page.timeline_view import Stretch


class Lane(NamedTuple):
    """One speaker's line."""

    name: str
    told: str  # how long, and which share of all speech
    path: str  # in SVG: x in seconds, y from 0 to 1


def speaker_lanes(stretches: Sequence[Stretch]) -> list[Lane]:
    """A lane for each speaker, in the order of their first words; none where speakers are not told apart.

    Example
    -------
    >>> from speechbrain_xser.page.timeline_view import Stretch
    >>> speaker_lanes([Stretch(1.0, 4.0, None, "speaker 1"), Stretch(5.0, 6.0, None, "speaker 2")])[1]
    Lane(name='speaker 2', told='0:00:01.0, 25 % of the speech', path='M5.00 0h1.00v1h-1.00z')
    """
    said: dict[str, list[Stretch]] = {}
    for stretch in stretches:
        if stretch.speaker is not None:
            said.setdefault(stretch.speaker, []).append(stretch)
    whole = sum(map(_seconds, stretches))
    return [_lane(name, own, whole) for name, own in said.items()]


def _lane(name: str, stretches: Sequence[Stretch], whole: float) -> Lane:
    seconds = sum(map(_seconds, stretches))
    told = f"{clock(seconds)}, {100 * seconds / whole:.0f} % of the speech"
    return Lane(name, told, "".join(map(_box, stretches)))


def _box(stretch: Stretch) -> str:
    width = f"{_seconds(stretch):.2f}"
    return f"M{stretch.start_seconds:.2f} 0h{width}v1h-{width}z"


def _seconds(stretch: Stretch) -> float:
    return stretch.end_seconds - stretch.start_seconds
