"""What a page offers to download: the bytes that ``xser explain`` and ``xser timeline`` write of the same sound."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.answer.reliability import Reliability
from speechbrain_xser.evidence.clip_evidence import Evidence
from speechbrain_xser.explaining.clips import SourceClip, Told
from speechbrain_xser.explaining.report import Report
from speechbrain_xser.explaining.rows import plain_row
from speechbrain_xser.timeline.cutting import PLAIN_CUTTING
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.page import page_text
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.timeline.source import Source
from speechbrain_xser.timeline.subtitles import srt_text
from speechbrain_xser.timeline.text_formats import csv_text, json_text
from speechbrain_xser.web.clip import Upload

UNSAFE = re.compile(r"[^\w .()+-]+")  # in the name of a file on anybody's disk
LONGEST_NAME = 60  # characters, of which each may have four bytes


class ModelText(NamedTuple):
    """What files say about the model that explained their sound."""

    note: str  # a sentence, as on a page of ``xser explain``
    name: str  # as in a file of ``xser timeline``
    emotions: tuple[str, ...]  # classes, in order
    reliability: Reliability | None = None  # of its answers, where its folder has it


def clip_files(clip: Upload, evidence: Evidence, model: ModelText) -> dict[str, bytes]:
    """The files of a clip, by their names.

    HTML and JSON are those of ``xser explain``, the latter with the evidence. CSV and SubRip are those of
    ``xser timeline``, if the whole clip is one moment.

    Arguments
    ---------
    clip : Upload
        The clip.
    evidence : Evidence
        With its explanation.
    model : ModelText
        What explained it.

    Returns
    -------
    dict of str to bytes
        ``NAME.html``, ``NAME.json``, ``NAME.csv`` and ``NAME.srt``.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> nothing = Evidence(Explanation.without_speech(), [], None, None, None, None, None, None)
    >>> model = ModelText("Explained by a model.", "a model", ("sad", "angry"))
    >>> files = clip_files(Upload("a.wav", torch.zeros(24000), 16000), nothing, model)
    >>> list(files), b'"speech": false' in files["a.json"], files["a.srt"]
    (['a.html', 'a.json', 'a.csv', 'a.srt'], True, b'')
    """
    said = evidence.explanation
    told = Told(SourceClip(clip.name, clip.name), said)
    moments = [Moment(0.0, clip.seconds, said)] if said.speech else []
    source = Source(None, model.name, model.emotions, PLAIN_CUTTING)  # neither format tells anything of the recording
    texts = {
        "html": _report(told, evidence, model.note),
        "json": json.dumps(plain_row(told, evidence), ensure_ascii=False) + "\n",
        "csv": "".join(csv_text(moments, source)),
        "srt": "".join(srt_text(moments, source)),
    }
    return _named(clip.name, texts)


def recording_files(moments: Sequence[Moment], recording: Recording, model: ModelText) -> dict[str, bytes]:
    """The files of a recording that was read, by their names: what ``xser timeline`` writes beside it.

    Arguments
    ---------
    moments : sequence of Moment
        All of them.
    recording : Recording
        Whose length and fault are known by now; its file may be gone.
    model : ModelText
        What explained it.

    Returns
    -------
    dict of str to bytes
        ``NAME.html``, ``NAME.json``, ``NAME.csv`` and ``NAME.srt``.
    """
    source = Source(recording, model.name, model.emotions, PLAIN_CUTTING, reliability=model.reliability)
    texts = {
        "html": "".join(page_text(moments, source, Path(recording.path).parent)),
        "json": "".join(json_text(moments, source)),
        "csv": "".join(csv_text(moments, source)),
        "srt": "".join(srt_text(moments, source)),
    }
    return _named(source.name, texts)


def _report(told: Told, evidence: Evidence, note: str) -> str:
    with tempfile.TemporaryDirectory() as folder, Report(note) as report:
        report.add(told, evidence)
        report.write(page := Path(folder, "page.html"))
        return page.read_text(encoding="utf-8")


def _named(name: str, texts: dict[str, str]) -> dict[str, bytes]:
    return {saved_name(name, suffix): text.encode() for suffix, text in texts.items()}


def saved_name(name: str, suffix: str) -> str:
    """The name of a file about a sound, which no system takes for anything but a name.

    Example
    -------
    >>> saved_name("Gespräch 3 (kurz).opus", "srt"), saved_name('../a"b\\r\\n;c.wav', "csv"), saved_name(".wav", "json")
    ('Gespräch 3 (kurz).srt', 'a_b_c.csv', 'wav.json')
    """
    stem = UNSAFE.sub("_", Path(name.replace("\\", "/")).stem).strip(" ._")[:LONGEST_NAME].strip()
    return f"{stem or 'sound'}.{suffix}"
