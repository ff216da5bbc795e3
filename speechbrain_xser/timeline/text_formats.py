"""Writes a timeline as text for programs (JSON, JSON lines, CSV, RTTM) and as lines for a terminal.

Each writer takes the moments one at a time and yields text piece by piece, so that nothing accumulates. Seconds have
three decimals, probabilities four.

RTTM is NIST's format for who spoke when (2009 Rich Transcription evaluation plan, appendix A): ten fields per line.
Where speakers are not told apart, the speaker's name is the emotion, as in the evaluation of speech emotion diarisation
(Wang et al., 2023, arXiv:2306.12991); scoring tools then compare emotions instead of speakers. The subtype, which
scoring tools pass over in such a line, is the domain.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.page.brief import domain_note
from speechbrain_xser.page.numbers import clock
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.source import Source

UNKNOWN = "<NA>"  # in RTTM


def json_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """Yields one object: the recording, the model, the settings, the moments, and any fault of the recording.

    The moments are sorted by time. The recording is read before the first and after the last of them.
    """
    head = {"recording": source.name, "model": source.model, "settings": source.cutting._asdict()}
    if source.speakers is not None:
        head |= {"speakers": source.speakers.names, "speaker_encoder": source.speakers.encoder}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "moments": ['
    separator = "\n"
    for moment in moments:
        yield separator + json.dumps(moment.rounded(), ensure_ascii=False)
        separator = ",\n"
    fault = None if source.recording.fault is None else str(source.recording.fault)
    yield f'\n], "seconds": {round(source.recording.read_seconds, 3)}, "fault": {json.dumps(fault)}}}\n'


def jsonl_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """Yields one object per line and moment."""
    for moment in moments:
        yield json.dumps(moment.rounded(), ensure_ascii=False) + "\n"


def csv_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """Yields a header and one row per moment, with empty cells for unknown values."""
    classes = [f"p_{name}" for name in source.emotions]
    said = ["transcript", *Descriptors._fields, "paragraph", "domain"]
    header = ["start_seconds", "end_seconds", *(["speaker"] if source.speakers else []), "emotion", *classes, *said]
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
    """Yields one SPEAKER line per moment, with the speaker's name, else with the emotion and its probability."""
    name = re.sub(r"\s+", "_", Path(source.name).stem)
    for moment in moments:
        row = moment.rounded()
        who = re.sub(r"\s+", "_", moment.speaker or moment.explanation.emotion or UNKNOWN)
        sure = None if moment.speaker else moment.probability
        confidence = UNKNOWN if sure is None else f"{sure:.4f}"
        start, length = row["start_seconds"], row["end_seconds"] - row["start_seconds"]
        domain = moment.explanation.domain or UNKNOWN
        yield f"SPEAKER {name} 1 {start:.3f} {length:.3f} {UNKNOWN} {domain} {who} {confidence} {UNKNOWN}\n"


def table_text(moments: Iterable[Moment], source: Source) -> Iterator[str]:
    """Yields one line per moment in fixed columns, for a terminal."""
    yield f"{'start':>10}  {'end':>10}  {'emotion':<10}  {'p':>4}  what was said\n" + "-" * 72 + "\n"
    for moment in moments:
        share = "" if moment.probability is None else f"{100 * moment.probability:.0f} %"
        said = " ".join((moment.explanation.transcript or "–").split())
        who = [f"{moment.speaker}:"] if moment.speaker else []
        said = " ".join([*who, *(f"[{note}]" for note in domain_note(moment.explanation)), said])
        start, end = clock(moment.start_seconds), clock(moment.end_seconds)
        yield f"{start:>10}  {end:>10}  {moment.explanation.emotion or '–':<10}  {share:>4}  {said}\n"
