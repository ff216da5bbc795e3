"""Chooses the writer for an output file by its suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.page import page_text
from speechbrain_xser.timeline.source import Source
from speechbrain_xser.timeline.subtitles import srt_text, vtt_text
from speechbrain_xser.timeline.text_formats import csv_text, json_text, jsonl_text, rttm_text, table_text
from speechbrain_xser.utils.files import written_beside

Writer = Callable[[Iterable[Moment], Source], Iterator[str]]

WRITERS: dict[str, Writer] = {
    "table": table_text,
    "jsonl": jsonl_text,
    "json": json_text,
    "csv": csv_text,
    "srt": srt_text,
    "vtt": vtt_text,
    "rttm": rttm_text,
    "html": page_text,
}


def writer_of(out: str | os.PathLike, embed_audio: bool = False) -> Writer:
    """The writer for an output's suffix; a ``SettingsError`` for any other suffix.

    Example
    -------
    >>> writer_of("a.SRT").__name__
    'srt_text'
    >>> writer_of("a.txt")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.SettingsError: --out a.txt: '.txt' is not a format; expected .jsonl, .json, .csv, .srt, \
    .vtt, .rttm or .html. Choose another name.
    """
    suffix = Path(out).suffix.lower().removeprefix(".")
    if suffix not in WRITERS or suffix == "table":
        *others, last = (f".{name}" for name in WRITERS if name != "table")
        expected = f"{', '.join(others)} or {last}"
        raise SettingsError(
            f"--out {out}: '{Path(out).suffix}' is not a format; expected {expected}. Choose another name."
        )
    return partial(page_text, folder=Path(out).parent, embed_audio=embed_audio) if suffix == "html" else WRITERS[suffix]


def write_output(out: str | os.PathLike, writer: Writer, moments: Iterable[Moment], source: Source) -> None:
    """Writes a file with a writer, complete or not at all; the moments are read once, one at a time."""
    with written_beside(out) as file:
        for text in writer(moments, source):
            file.write(text)
