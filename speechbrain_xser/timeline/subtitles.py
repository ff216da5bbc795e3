"""A timeline as subtitles: SubRip (srt) and WebVTT (https://www.w3.org/TR/webvtt1/).

A cue is one line, ``[angry 87 %] what was said``; where the model is not to be trusted, ``[angry 87 %, doubtful]`` or
``[unknown, out of domain]``. A known speaker comes first, ``speaker 1: [angry 87 %] what was said``; WebVTT's own tag
for voices, which players do not show, says it as well. An arrow in the text could be mistaken for a line of times:
WebVTT has an escape for it; SubRip has none, so it becomes a shorter arrow.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

from speechbrain_xser.answer.explanation import UNKNOWN
from speechbrain_xser.page.brief import emotion_text
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.source import Source

ARROW = "-->"


def srt_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """Yields numbered cues with decimal commas."""
    for number, moment in enumerate(moments, start=1):
        text = cue_text(moment).replace(ARROW, "->")
        yield f"{number}\n{_times(moment, ',')}\n{text}\n\n"


def vtt_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """Yields a header, and cues with decimal points and escaped text."""
    yield "WEBVTT\n\n"
    for moment in moments:
        voice = f"<v {moment.speaker}>" if moment.speaker else ""
        yield f"{_times(moment, '.')}\n{voice}{html.escape(cue_text(moment), quote=False)}\n\n"


def cue_text(moment: Moment) -> str:
    """The speaker if known, the emotion with its probability, and the words, on one line.

    Example
    -------
    >>> from speechbrain_xser.answer import Descriptors
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> cue_text(Moment(0, 1, Explanation("", "come\\nin", Descriptors(), "angry", {"angry": 0.866})))
    '[angry 87 %] come in'
    """
    said = " ".join((moment.explanation.transcript or "").split())
    who = f"{moment.speaker}: " if moment.speaker else ""
    return f"{who}[{emotion_text(moment.explanation, UNKNOWN)}] {said}".rstrip()


def timestamp(seconds: float, point: str) -> str:
    """Hours (two digits or more), minutes, seconds and milliseconds.

    Example
    -------
    >>> timestamp(3661.0625, ","), timestamp(400000.0, ".")
    ('01:01:01,062', '111:06:40.000')
    """
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _times(moment: Moment, point: str) -> str:
    return f"{timestamp(moment.start_seconds, point)} {ARROW} {timestamp(moment.end_seconds, point)}"
