"""A timeline as text for programs: JSON, JSON lines, CSV, RTTM; and as lines for a terminal.

Each writer takes the moments one at a time and gives text piece by piece, so that nothing is held. Seconds have three
places, probabilities four.

RTTM is NIST's format of who spoke when (2009 Rich Transcription evaluation plan, appendix A): ten fields a line. There
is no diarisation here, so the field of the speaker's name holds the emotion, as the evaluation of speech emotion
diarisation does (Wang et al., 2023, arXiv:2306.12991); scoring tools then compare emotions in place of speakers.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.page.numbers import clock
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.source import Source

UNKNOWN = "<NA>"  # RTTM's word


def json_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """One object: the recording, the model, the settings, the moments, and what was wrong with the recording.

    Arguments
    ---------
    moments : iterable of Moment
        In the order of time.
    source : Source
        Of the moments; its recording is looked at before the first and after the last.

    Yields
    ------
    str
        Pieces of the text.
    """
    head = {"recording": source.name, "model": source.model, "settings": source.cutting._asdict()}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "moments": ['
    separator = "\n"
    for moment in moments:
        yield separator + json.dumps(moment.rounded(), ensure_ascii=False)
        separator = ",\n"
    fault = None if source.recording.fault is None else str(source.recording.fault)
    yield f'\n], "seconds": {round(source.recording.read_seconds, 3)}, "fault": {json.dumps(fault)}}}\n'


def jsonl_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """An object a line and moment; arguments as of :func:`json_text`."""
    for moment in moments:
        yield json.dumps(moment.rounded(), ensure_ascii=False) + "\n"


def csv_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """A header and a row a moment, what is unknown being empty; arguments as of :func:`json_text`."""
    classes = [f"p_{name}" for name in source.emotions]
    header = ["start_seconds", "end_seconds", "emotion", *classes, "transcript", *Descriptors._fields, "paragraph"]
    yield _csv_row(header)
    for moment in moments:
        row = moment.rounded()
        emphasis = row["descriptors"]["emphasis"]
        descriptors = row["descriptors"] | {"emphasis": None if emphasis is None else " ".join(emphasis)}
        probabilities = {f"p_{name}": value for name, value in row["probabilities"].items()}
        yield _csv_row([(row | descriptors | probabilities)[name] for name in header])


def _csv_row(cells: list) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def rttm_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """A SPEAKER line a moment, whose name is the emotion; arguments as of :func:`json_text`."""
    name = re.sub(r"\s+", "_", Path(source.name).stem)
    for moment in moments:
        row = moment.rounded()
        emotion = re.sub(r"\s+", "_", moment.explanation.emotion or UNKNOWN)
        confidence = UNKNOWN if moment.probability is None else f"{moment.probability:.4f}"
        start, length = row["start_seconds"], row["end_seconds"] - row["start_seconds"]
        yield f"SPEAKER {name} 1 {start:.3f} {length:.3f} {UNKNOWN} {UNKNOWN} {emotion} {confidence} {UNKNOWN}\n"


def table_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """A line a moment of fixed columns, for a terminal; arguments as of :func:`json_text`."""
    yield f"{'start':>10}  {'end':>10}  {'emotion':<10}  {'p':>4}  what was said\n" + "-" * 72 + "\n"
    for moment in moments:
        share = "" if moment.probability is None else f"{100 * moment.probability:.0f} %"
        said = " ".join((moment.explanation.transcript or "–").split())
        start, end = clock(moment.start_seconds), clock(moment.end_seconds)
        yield f"{start:>10}  {end:>10}  {moment.explanation.emotion or '–':<10}  {share:>4}  {said}\n"
