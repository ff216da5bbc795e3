"""What was measured in a clip whatever its paragraph says: as a line, and as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.page.environment import render
from speechbrain_xser.page.numbers import plain

if TYPE_CHECKING:
    from speechbrain_xser.evidence.measurements import Measured

COUNTED = {"transcript": "counted in the words", "signal": "counted in the sound"}


class Value(NamedTuple):
    """One measurement in words."""

    name: str
    number: str
    word: str  # low, normal, high and the like; empty if there is none
    aside: str = ""


def values_of(measured: Measured) -> list[Value]:
    """The measurements that exist, in words; pauses always do.

    Example
    -------
    >>> from speechbrain_xser.evidence.measurements import Measured
    >>> found = values_of(Measured(210.4, "high", -21.3, "high", None, None, None, 1, 0.42, None, None))
    >>> [value.number for value in found]
    ['210 Hz', '−21.3 dB re full scale', '1 of 0.25 s or more, 0.42 s in all']
    """
    counted = COUNTED.get(measured.rate_from, "")
    numbers = (
        ("pitch", measured.f0_hertz, "Hz", measured.pitch, ""),
        ("level", measured.level_decibels, "dB re full scale", measured.volume, ""),
        ("speed", measured.syllables_per_second, "syllables a second", measured.speed, counted),
        ("intonation", measured.f0_range_semitones, "semitones from low to high", measured.intonation, ""),
    )
    found = [
        Value(name, f"{plain(value)} {unit}", word or "", aside)
        for name, value, unit, word, aside in numbers
        if value is not None
    ]
    place = sum(value.name != "intonation" for value in found)
    return [*found[:place], Value("pauses", _pauses(measured), ""), *found[place:]]


def _pauses(measured: Measured) -> str:
    if not measured.pauses:
        return "none of 0.25 s or more"
    return f"{measured.pauses} of 0.25 s or more, {plain(measured.pause_seconds)} s in all"


def measured_text(measured: Measured) -> str:
    """The measurements as one line of plain text.

    Example
    -------
    >>> from speechbrain_xser.evidence.measurements import Measured
    >>> measured_text(Measured(210.4, "high", -21.3, None, 4.52, "signal", "normal", 0, 0.0, None, None))
    'pitch 210 Hz (high), level −21.3 dB re full scale, speed 4.52 syllables a second (normal, counted in the sound), \
pauses none of 0.25 s or more'
    """
    return ", ".join(map(_told, values_of(measured)))


def _told(value: Value) -> str:
    inside = ", ".join(filter(None, (value.word, value.aside)))
    return f"{value.name} {value.number}" + (f" ({inside})" if inside else "")


def measured_list(measured: Measured) -> str:
    """The measurements as a list.

    Example
    -------
    >>> from speechbrain_xser.evidence.measurements import Measured
    >>> "<dd>210 Hz" in measured_list(Measured(210.4, "high", None, None, None, None, None, 0, 0.0, None, None))
    True
    """
    return render("measured", values=values_of(measured))
