"""Emotions over time: a plot, a player and the list of moments, as a fragment or as a page.

The plot and the list need no script; the script makes them interactive. If a browser cannot find or play the sound, the
page says so and lets the reader choose the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.reliability import Reliability
from speechbrain_xser.page.assets import asset
from speechbrain_xser.page.brief import descriptor_text, emotion_text, no_speech_text, reliability_text
from speechbrain_xser.page.document import document
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.numbers import clock
from speechbrain_xser.page.palette import COLOURS, colour
from speechbrain_xser.page.speaker_lanes import speaker_lanes
from speechbrain_xser.page.stack import Column, mean_columns, stack_paths

STYLE = COLOURS + asset("timeline.css")
TIMELINE_SCRIPT = asset("timeline.js")
BINS = 240  # means over the whole recording
EXPLAINED = (
    "Each column is a stretch of speech: its height is divided among the emotions by their probabilities. Between "
    "columns nobody speaks. In the small plot, and in a crowded large one, a column averages a span of time; zoom "
    "in to see single moments."
)
EMPTY = f"{no_speech_text('this recording')}: the timeline is empty."


class Stretch(NamedTuple):
    """Speech between two pauses, and its explanation."""

    start_seconds: float  # in the recording
    end_seconds: float
    explanation: Explanation
    speaker: str | None = None


class Row(NamedTuple):
    """A stretch in the list."""

    times: str
    speaker: str | None
    emotion: str
    key: str  # colour of the named emotion
    gradient: str  # the probabilities as one strip of colours
    transcript: str | None
    descriptors: str
    paragraph: str
    sure: str  # how often answers as sure were right; empty if nobody counted


def timeline_page(title: str, sections: str, model: str, fault: str | None = None) -> str:
    """A page of its own around :func:`timeline_sections`; ``fault`` says why a timeline ends early."""
    body = render("timeline_page", sections=sections, model=model, fault=fault)
    return document(title, body, TIMELINE_SCRIPT, wide=True)


def timeline_sections(
    stretches: Sequence[Stretch],
    audio_source: str | None = None,
    emotions: Sequence[str] | None = None,
    seconds: float | None = None,
    name: str = "the recording",
    reliability: Reliability | None = None,
) -> str:
    """The plot, the player and the list as a fragment; ``TIMELINE_SCRIPT`` after it makes them interactive.

    Arguments
    ---------
    stretches : sequence of Stretch
        Sorted by time; any objects with the fields of a Stretch.
    audio_source : str or None
        Address of the sound, a relative path or a data URL; None for a page without a player.
    emotions : sequence of str or None
        Classes of the model, in order; by default those of the first stretch.
    seconds : float or None
        Length of the recording; by default the end of the last stretch.
    name : str
        Name of the recording in messages.
    reliability : Reliability or None
        How often answers of the model were right, if that was counted.

    Returns
    -------
    str
        HTML, with its own style.

    Example
    -------
    >>> from speechbrain_xser.answer import Descriptors
    >>> explanation = Explanation("", "a < b", Descriptors(pitch="low"), "sad", {"sad": 0.75, "angry": 0.25})
    >>> sections = timeline_sections([Stretch(1.0, 2.0, explanation)], "talk.opus")
    >>> "a &lt; b" in sections, 'src="talk.opus"' in sections, "low pitch" in sections
    (True, True, True)
    >>> "No speech" in timeline_sections([])
    True
    """
    if not stretches:
        return render("timeline", style=STYLE, rows=[], empty=EMPTY)
    emotions = list(emotions or stretches[0].explanation.probabilities)
    seconds = max(seconds or 0.0, stretches[-1].end_seconds)
    columns = [_column(stretch, emotions) for stretch in stretches]
    means = mean_columns(columns, seconds, BINS)
    return render(
        "timeline",
        style=STYLE,
        data=_script_safe({"emotions": emotions, "seconds": seconds, "moments": columns, "means": means}),
        explained=EXPLAINED,
        emotions=emotions,
        colour=colour,
        seconds=seconds,
        detail=stack_paths(columns if len(columns) < 2 * BINS else means, len(emotions)),
        overview=stack_paths(means, len(emotions)),
        lanes=speaker_lanes(stretches),
        audio_source=audio_source,
        name=name,
        rows=[_row(stretch, emotions, reliability) for stretch in stretches],
    )


def _column(stretch: Stretch, emotions: Sequence[str]) -> Column:
    shares = tuple(round(stretch.explanation.probabilities.get(name, 0.0), 4) for name in emotions)
    return Column(round(stretch.start_seconds, 3), round(stretch.end_seconds, 3), shares)


def _script_safe(data: dict) -> str:
    """JSON in which no name can end the script element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _row(stretch: Stretch, emotions: Sequence[str], reliability: Reliability | None) -> Row:
    found = stretch.explanation
    as_sure = None if reliability is None else reliability.of(found.probabilities.get(found.emotion))
    return Row(
        f"{clock(stretch.start_seconds)} – {clock(stretch.end_seconds)}",
        stretch.speaker,
        emotion_text(found),
        colour(emotions.index(found.emotion)) if found.emotion in emotions else "transparent",
        _gradient(found.probabilities, emotions),
        found.transcript,
        descriptor_text(found.descriptors),
        found.paragraph,
        "" if as_sure is None else reliability_text(as_sure, reliability.source),
    )


def _gradient(probabilities: dict[str, float], emotions: Sequence[str]) -> str:
    stops, at = [], 0.0
    for place, name in enumerate(emotions):
        end = at + 100 * probabilities.get(name, 0.0)
        stops.append(f"{colour(place)} {at:.1f}% {end:.1f}%")
        at = end
    return f"linear-gradient(90deg,{','.join(stops)})"
