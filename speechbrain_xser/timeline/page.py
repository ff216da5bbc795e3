"""A timeline as one HTML page: emotions over time, the moments with their words, and the sound of each at a click.

The plot and the list are there without any script; the script makes them react. The sound is the recording itself, by
its path from the page, or is in the page (``embed_audio``). Where a browser cannot find or play it, the page says so
and lets the reader choose the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from speechbrain_xser.page.document import document
from speechbrain_xser.page.summary import descriptor_text, emotion_text, no_speech_text
from speechbrain_xser.timeline.embedding import opus_address
from speechbrain_xser.timeline.formats import clock
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.palette import COLOURS, colour
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.timeline.source import Source
from speechbrain_xser.timeline.stack import Column, mean_columns, stack_paths

HERE = Path(__file__).parent
STYLE = COLOURS + HERE.joinpath("page.css").read_text(encoding="utf-8")
TIMELINE_SCRIPT = HERE.joinpath("page.js").read_text(encoding="utf-8")
BINS = 240  # of the whole recording's means
EXPLAINED = (
    '<p class="xser-note">Each column is a stretch of speech: its height is divided among the emotions by their '
    "probabilities. Between columns nobody speaks. In the small plot, and in the large one where it would be crowded, "
    "a column is the mean of some time; zoom in for single moments.</p>\n"
)
EMPTY = f'<p class="xser-empty">{no_speech_text("this recording")}: the timeline is empty.</p>'


def page_text(
    moments: Iterable[Moment], source: Source, folder: str | os.PathLike = ".", embed_audio: bool = False
) -> Iterator[str]:
    """A page of its own; unlike other outputs it is made in memory, about two kilobytes a moment.

    Arguments
    ---------
    moments : iterable of Moment
        In the order of time.
    source : Source
        Of the moments.
    folder : str or path-like
        Where the page will lie, from which the recording is looked for.
    embed_audio : bool
        Whether the page holds the sound.

    Yields
    ------
    str
        The document.
    """
    moments = list(moments)
    sections = timeline_sections(
        moments,
        _address(source.recording, folder, embed_audio),
        source.emotions,
        source.recording.read_seconds,
        source.name,
    )
    fault = source.recording.fault
    told = "" if fault is None else f'<p class="xser-fault">{escape(str(fault))}</p>'
    made = f'<p class="xser-note">Explained with {escape(source.model)}. What a model says of people can be wrong.</p>'
    yield document(source.name, told + sections + made, TIMELINE_SCRIPT, wide=True)


def _address(recording: Recording, folder: str | os.PathLike, embed_audio: bool) -> str | None:
    """Where the page finds the sound; nowhere, if it came through a pipe."""
    if embed_audio:
        return opus_address(recording.file, recording.track)
    if recording.file != os.fspath(recording.path):
        return None
    return quote(os.path.relpath(recording.path, folder).replace(os.sep, "/"))


def timeline_sections(
    moments: Sequence[Moment],
    audio_source: str | None = None,
    emotions: Sequence[str] | None = None,
    seconds: float | None = None,
    name: str = "the recording",
) -> str:
    """The plot, the player and the list as a fragment; ``TIMELINE_SCRIPT`` makes them react, if it comes after.

    Arguments
    ---------
    moments : sequence of Moment
        In the order of time.
    audio_source : str or None
        Address of the sound, a relative path or a data URL; None where there is none, so that nothing is played.
    emotions : sequence of str or None
        Classes of the model, in order; by default those of the first moment.
    seconds : float or None
        Length of the recording; by default the end of the last moment.
    name : str
        Of the recording, for messages.

    Returns
    -------
    str
        HTML, with its own style.

    Example
    -------
    >>> from speechbrain_xser.answer import Descriptors
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> explanation = Explanation("", "a < b", Descriptors(pitch="low"), "sad", {"sad": 0.75, "angry": 0.25})
    >>> sections = timeline_sections([Moment(1.0, 2.0, explanation)], "talk.opus")
    >>> "a &lt; b" in sections, 'src="talk.opus"' in sections, "low pitch" in sections
    (True, True, True)
    >>> "No speech" in timeline_sections([])
    True
    """
    if not moments:
        return f"<style>{STYLE}</style>\n{EMPTY}\n"
    emotions = list(emotions or moments[0].explanation.probabilities)
    seconds = max(seconds or 0.0, moments[-1].end_seconds)
    columns = [_column(moment, emotions) for moment in moments]
    means = mean_columns(columns, seconds, BINS)
    data = {"emotions": emotions, "seconds": seconds, "moments": columns, "means": means}
    rows = "\n".join(_row(index, moment, emotions, audio_source is not None) for index, moment in enumerate(moments))
    return (
        f'<style>{STYLE}</style>\n<div class="xser-timeline">\n'
        f'<script type="application/json" class="xser-data">{_script_safe(data)}</script>\n'
        f"{EXPLAINED}{_legend(emotions)}{_plots(columns, means, seconds, emotions)}{_player(audio_source, name)}"
        f'<ol class="xser-moments" tabindex="0" aria-label="Moments">\n{rows}\n</ol>\n</div>\n'
    )


def _column(moment: Moment, emotions: Sequence[str]) -> Column:
    shares = tuple(round(moment.explanation.probabilities.get(name, 0.0), 4) for name in emotions)
    return Column(round(moment.start_seconds, 3), round(moment.end_seconds, 3), shares)


def _script_safe(data: dict) -> str:
    """JSON that no name in it can end the script element of."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _legend(emotions: Sequence[str]) -> str:
    buttons = "".join(
        f'<button type="button" class="xser-toggle" aria-pressed="true" data-emotion="{place}">'
        f'<span class="xser-key" style="background:{colour(place)}"></span>{escape(name)}</button>'
        for place, name in enumerate(emotions)
    )
    return f'<div class="xser-toggles" role="group" aria-label="Emotions that are shown">{buttons}</div>\n'


def _plots(columns: Sequence[Column], means: Sequence[Column], seconds: float, emotions: Sequence[str]) -> str:
    return (
        '<div class="xser-stage"><div class="xser-detail" tabindex="0" role="slider" aria-label="Emotions over time" '
        f'aria-valuemin="1" aria-valuemax="{len(columns)}" aria-valuenow="1">'
        f"{_svg(columns if len(columns) < 2 * BINS else means, seconds, emotions)}"
        '<div class="xser-band" hidden></div><div class="xser-playhead" hidden></div></div>'
        '<div class="xser-ticks" aria-hidden="true"></div><div class="xser-tip" role="status" hidden></div>'
        f'<div class="xser-overview">{_svg(means, seconds, emotions)}<div class="xser-brush"></div></div></div>\n'
        '<div class="xser-tools"><button type="button" data-zoom="0.5" aria-label="Zoom in">+</button>'
        '<button type="button" data-zoom="2" aria-label="Zoom out">−</button>'
        '<button type="button" data-zoom="all">whole recording</button><span class="xser-hint">Drag over the small plot'
        " to zoom. Keys on the large one: ← → moments, + − zoom, Enter plays.</span></div>\n"
    )


def _svg(columns: Sequence[Column], seconds: float, emotions: Sequence[str]) -> str:
    paths = "".join(
        f'<path d="{path}" style="fill:{colour(place)}" data-emotion="{place}"/>'
        for place, path in enumerate(stack_paths(columns, len(emotions)))
    )
    return f'<svg viewBox="0 0 {seconds:.3f} 1" preserveAspectRatio="none" aria-hidden="true">{paths}</svg>'


def _player(audio_source: str | None, name: str) -> str:
    if audio_source is None:
        return ""
    return (
        f'<div class="xser-player"><audio controls preload="metadata" src="{escape(audio_source)}"></audio>'
        '<label><input type="checkbox" class="xser-on"> play on</label><span class="xser-now"></span>'
        f'<p class="xser-lost" hidden>The browser cannot find or play {escape(name)}. Put it where this page looks for '
        'it (beside the page, if it was there), or choose it here: <input type="file" accept="audio/*,video/*" '
        'aria-label="The recording"></p></div>\n'
    )


def _row(index: int, moment: Moment, emotions: Sequence[str], audible: bool) -> str:
    found, times = moment.explanation, f"{clock(moment.start_seconds)} – {clock(moment.end_seconds)}"
    key = colour(emotions.index(found.emotion)) if found.emotion in emotions else "transparent"
    said = escape(found.transcript) if found.transcript else '<span class="xser-none">no words were understood</span>'
    return (
        f'<li class="xser-moment" data-moment="{index}"><button type="button" class="xser-times">'
        f"{'<span aria-hidden=true>▶ </span>' if audible else ''}{times}</button>"
        f'<span class="xser-emotion"><span class="xser-key" style="background:{key}"></span>'
        f"{escape(emotion_text(found))}</span>"
        f'<span class="xser-mix" style="background:{_gradient(moment, emotions)}"></span>'
        f'<p class="xser-said">{said}</p><p class="xser-how">{escape(descriptor_text(found.descriptors))}</p>'
        f"<details><summary>paragraph</summary>{escape(found.paragraph)}</details></li>"
    )


def _gradient(moment: Moment, emotions: Sequence[str]) -> str:
    """The probabilities as one strip of colours."""
    stops, at = [], 0.0
    for place, name in enumerate(emotions):
        end = at + 100 * moment.explanation.probabilities.get(name, 0.0)
        stops.append(f"{colour(place)} {at:.1f}% {end:.1f}%")
        at = end
    return f"linear-gradient(90deg,{','.join(stops)})"
