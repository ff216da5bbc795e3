"""A page with a section for each clip, and a table of contents if there are several.

Sections are collected on disk, so the page may be larger than memory.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from speechbrain_xser.data.sound_address import sound_address
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.evidence.clip_evidence import Evidence
from speechbrain_xser.explaining.clips import Told
from speechbrain_xser.page.brief import emotion_text
from speechbrain_xser.page.clip_report import clip_section, report_frame
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.utils.files import written_beside


class Report:
    """Collects clips, then writes them as one page.

    Arguments
    ---------
    note : str
        Plain text at the top: what the reader has to know about the model.

    Example
    -------
    >>> from speechbrain_xser.explaining.clips import SourceClip
    >>> path = getfixture("tmp_path") / "report.html"
    >>> with Report("A tiny model.") as report:
    ...     report.add(Told(SourceClip("a.wav", "a.wav"), None, "a.wav: no such file"))
    ...     report.write(path)
    >>> "a.wav: no such file" in path.read_text(encoding="utf-8")
    True
    """

    def __init__(self, note: str = "") -> None:
        self.note = note
        self.sections = tempfile.TemporaryFile(  # noqa: SIM115, closed with the report
            "w+", encoding="utf-8", errors="backslashreplace"
        )
        self.contents: list[Told] = []
        self.refused: list[Told] = []

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        self.sections.close()

    def add(self, told: Told, evidence: Evidence | None = None) -> None:
        """Adds the section of an explained clip, or the line of one that could not be read."""
        if told.explanation is None:
            self.refused.append(told)
            return
        self.contents.append(told)
        sound = None if evidence.wav is None else sound_address(evidence.wav, SAMPLE_RATE)
        told_by = evidence_sections(evidence, sound, told.clip.name)
        self.sections.write(clip_section(len(self.contents), told.clip.name, told_by))

    def write(self, path: str | Path) -> None:
        """Writes the page, complete or not at all."""
        contents = [(told.clip.name, emotion_text(told.explanation)) for told in self.contents]
        head, tail = report_frame(contents, [told.fault for told in self.refused], self.note)
        self.sections.seek(0)
        with written_beside(path) as file:
            file.write(head)
            shutil.copyfileobj(self.sections, file)
            file.write(tail)
