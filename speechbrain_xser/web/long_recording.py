"""Explains a long recording for the page and for programs: moment by moment, with its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from speechbrain_xser.errors import AudioError, BusyError, told_as
from speechbrain_xser.page.brief import counted, domain_note
from speechbrain_xser.page.fragments import Link, alert, last_moment, progress_bar, result_head
from speechbrain_xser.page.timeline_view import timeline_sections
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.moment_stream import read_timeline
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.utils.modes import each_within
from speechbrain_xser.utils.stopping import stoppable
from speechbrain_xser.web.clip import check_length, held, said
from speechbrain_xser.web.explaining import ALWAYS, Explainer
from speechbrain_xser.web.listeners import Presence

BATCH = 1  # moments encoded at once, four answered together: the bar moves, and other users get a turn
ADVICE = "On the command line, xser timeline reads any length."
NO_SOUND = "data:,"  # the page's script replaces it by the user's own file


def recording_pieces(
    explainer: Explainer,
    path: str | Path,
    max_hours: float,
    presence: Presence = ALWAYS,
    saved: Callable[[list[Moment], Recording], Sequence[Link]] = lambda *_: (),
) -> Iterator[str]:
    """Yields HTML while an uploaded recording is read, and finally its timeline; the file is removed in any case.

    An unusable recording raises an ``AudioError``; one that ends early is shown up to there, with a message. ``saved``
    gives links to the files of the result.
    """
    name, moments, fault = Path(path).name, [], ""
    yield progress_bar(name, 0, 1, f"Opening {name} …")
    with _opened(explainer, path, max_hours, presence) as recording:
        try:
            for moment in _moments(explainer, recording, presence):
                moments.append(moment)
                yield _bar(name, moment, recording)
        except (AudioError, BusyError) as error:
            if not moments:
                raise
            fault = alert(str(error))
    told = f"{name} is read: {counted(len(moments), 'moment')}"
    head = result_head(name, said(recording.read_seconds), told, saved(moments, recording))
    reliability = explainer.recognizer.reliability
    yield head + fault + timeline_sections(moments, NO_SOUND, name=name, reliability=reliability)


def recording_answer(
    explainer: Explainer, path: str | Path, max_hours: float, presence: Presence = ALWAYS
) -> dict:
    """An uploaded recording as ``moments`` in plain values, and ``fault``, which says why it ends early."""
    moments, fault = [], None
    with _opened(explainer, path, max_hours, presence) as recording:
        try:
            for moment in _moments(explainer, recording, presence):
                moments.append(moment.as_dict())
        except (AudioError, BusyError) as error:
            if not moments:
                raise
            fault = str(error)
    return {"moments": moments, "fault": fault}


@contextmanager
def _opened(explainer: Explainer, path: str | Path, max_hours: float, presence: Presence) -> Iterator[Recording]:
    """An upload, opened in a turn and removed afterwards; it has a place in the line meanwhile."""
    with explainer.line.place(), held(path) as file:
        with explainer.line.turn(presence):
            recording = Recording(file, max_seconds=3600 * max_hours)
        check_length(recording.seconds or 0.0, 3600 * max_hours, file.name, ADVICE)
        yield recording


def _moments(explainer: Explainer, recording: Recording, presence: Presence) -> Iterator[Moment]:
    """Each moment, found in a turn; errors, and the recording's own fault, name the file as the user knows it."""
    found = read_timeline(explainer.recognizer, recording, batch_size=BATCH)
    contexts = (lambda: explainer.line.turn(presence)), (lambda: stoppable(presence.check))
    try:
        with told_as(Path(recording.path).name, str(recording.path)):
            yield from each_within(found, *contexts)
    except (AudioError, BusyError) as error:
        recording.fault = error  # for the files
        raise


def _bar(name: str, moment: Moment, recording: Recording) -> str:
    doing = f"{said(recording.read_seconds)} read"
    if recording.seconds:
        doing = f"{said(min(recording.read_seconds, recording.seconds))} of {said(recording.seconds)} read"
    told = moment.explanation
    emotion = ", ".join([told.emotion or "–", *domain_note(told)])
    last = last_moment(said(moment.start_seconds), emotion, told.transcript or told.paragraph)
    return progress_bar(name, recording.read_seconds, recording.seconds, doing) + last
