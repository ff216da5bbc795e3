"""The page for many clips: a table of contents, a section for each clip, and the clips that could not be read."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.page.document import document
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.evidence import CLIP_SCRIPT

PLACE = "<!-- sections -->"


def clip_section(number: int, name: str, evidence: str) -> str:
    """The section of one clip under its name; ``evidence`` is HTML."""
    return render("clip", number=number, name=name, evidence=evidence) + "\n"


def report_frame(contents: Sequence[tuple[str, str]], faults: Sequence[str], note: str = "") -> tuple[str, str]:
    """The page before and after its sections, which may not fit into memory.

    Example
    -------
    >>> head, tail = report_frame([("a.wav", "sad 80 %")], ["b.wav: no such file"])
    >>> "A recording explained" in head, "<nav" in head, "<li>b.wav: no such file</li>" in tail
    (True, False, True)
    """
    title = "A recording explained" if len(contents) == 1 else f"{len(contents)} recordings explained"
    body = render("report", note=note, contents=contents, sections=PLACE, faults=faults)
    head, tail = document(title, body, CLIP_SCRIPT).split(PLACE)
    return head, tail
