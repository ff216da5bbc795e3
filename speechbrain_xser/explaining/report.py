"""A page with a section for each clip, and a table of contents where there are several.

Sections are kept on disk while they come, so the page may be larger than memory.
"""

from __future__ import annotations

import shutil
import tempfile
from html import escape
from pathlib import Path

from speechbrain_xser.evidence.clip_evidence import Evidence
from speechbrain_xser.explaining.clips import Told
from speechbrain_xser.page.document import document
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.page.summary import emotion_text
from speechbrain_xser.utils.files import written_beside

PLACE = "<!-- sections -->"


class Report:
    """Collects clips, then writes them as one page.

    Arguments
    ---------
    note : str
        Plain text at the top, what the reader has to know of the model.

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
        number = len(self.contents) + 1
        heading = f'<h2 id="clip-{number}">{escape(told.clip.name)}</h2>\n'
        self.sections.write(f'<section class="xser-clip">\n{heading}{evidence_sections(evidence)}</section>\n')
        self.contents.append(told)

    def write(self, path: str | Path) -> None:
        """Writes the page, whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        several = len(self.contents) > 1
        title = f"{len(self.contents)} recordings explained" if several else "A recording explained"
        body = f"{self._note()}{self._listed() if several else ''}{PLACE}{self._faults()}"
        head, tail = document(title, body).split(PLACE)
        self.sections.seek(0)
        with written_beside(path) as file:
            file.write(head)
            shutil.copyfileobj(self.sections, file)
            file.write(tail)

    def _note(self) -> str:
        return f'<p class="xser-note">{escape(self.note)}</p>\n' if self.note else ""

    def _listed(self) -> str:
        items = "".join(
            f'<li><a href="#clip-{number}">{escape(told.clip.name)}</a> {escape(emotion_text(told.explanation))}</li>\n'
            for number, told in enumerate(self.contents, start=1)
        )
        return f'<nav aria-label="Recordings"><ol class="xser-contents">\n{items}</ol></nav>\n'

    def _faults(self) -> str:
        if not self.refused:
            return ""
        items = "".join(f"<li>{escape(told.fault)}</li>\n" for told in self.refused)
        return f"<section>\n<h2>Not explained</h2>\n<ul>\n{items}</ul></section>\n"
