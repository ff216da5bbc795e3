"""Explains a long recording for the page and for programs: moment by moment, with its progress."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from speechbrain_xser.errors import AudioError, BusyError
from speechbrain_xser.page.brief import domain_note
from speechbrain_xser.page.fragments import alert, last_moment, progress_bar
from speechbrain_xser.page.timeline_view import timeline_sections
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.moment_stream import read_timeline
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.utils.modes import each_within
from speechbrain_xser.web.clip import check_length, held, said
from speechbrain_xser.web.explaining import ALWAYS, Explainer
from speechbrain_xser.web.listeners import Presence

BATCH = 1  # moments encoded at once, four answered together: the bar moves, and other users get a turn
ADVICE = "On the command line, xser timeline reads any length."
NO_SOUND = "data:,"  # the page's script replaces it by the user's own file


def recording_pieces(
    explainer: Explainer, path: str | Path, max_hours: float, presence: Presence = ALWAYS
) -> Iterator[str]:
    """Yields HTML while an uploaded recording is read, and finally its timeline; the file is removed in any case.

    An unusable recording raises an ``AudioError``; one that ends early is shown up to there, with a message.
    """
    name, moments, fault = Path(path).name, [], ""
    yield progress_bar(0, 1, f"Opening {name} …")
    try:
        for moment, recording in _read(explainer, path, max_hours, presence):
            moments.append(moment)
            yield _bar(moment, recording)
    except (AudioError, BusyError) as error:
        if not moments:
            raise
        fault = alert(str(error))
    yield fault + timeline_sections(moments, NO_SOUND, name=name)


def recording_answer(
    explainer: Explainer, path: str | Path, max_hours: float, presence: Presence = ALWAYS
) -> dict:
    """An uploaded recording as ``moments`` in plain values, and ``fault``, which says why it ends early."""
    moments, fault = [], None
    try:
        for moment, _ in _read(explainer, path, max_hours, presence):
            moments.append(moment.as_dict())
    except (AudioError, BusyError) as error:
        if not moments:
            raise
        fault = str(error)
    return {"moments": moments, "fault": fault}


def _read(
    explainer: Explainer, path: str | Path, max_hours: float, presence: Presence
) -> Iterator[tuple[Moment, Recording]]:
    """Each moment, and the recording, which knows how far it has been read."""
    with explainer.line.place(), held(path) as file:
        with explainer.line.turn(presence):
            recording = Recording(file, max_seconds=3600 * max_hours)
        check_length(recording.seconds or 0.0, 3600 * max_hours, file.name, ADVICE)
        for moment in each_within(
            read_timeline(explainer.recognizer, recording, batch_size=BATCH), lambda: explainer.line.turn(presence)
        ):
            yield moment, recording


def _bar(moment: Moment, recording: Recording) -> str:
    doing = f"{said(recording.read_seconds)} read"
    if recording.seconds:
        doing = f"{said(min(recording.read_seconds, recording.seconds))} of {said(recording.seconds)} read"
    told = moment.explanation
    emotion = ", ".join([told.emotion or "–", *domain_note(told)])
    last = last_moment(said(moment.start_seconds), emotion, told.transcript or told.paragraph)
    return progress_bar(recording.read_seconds, recording.seconds, doing) + last
