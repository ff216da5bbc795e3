"""The page of many clips: a table of contents, a section for each, and those that could not be read."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.page.document import document
from speechbrain_xser.page.environment import render

PLACE = "<!-- sections -->"


def clip_section(number: int, name: str, evidence: str) -> str:
    """One clip, under its name; ``evidence`` is HTML.

    Example
    -------
    >>> '<h2 id="clip-2">a &lt; b.wav</h2>' in clip_section(2, "a < b.wav", "<p>Said.</p>")
    True
    """
    return render("clip", number=number, name=name, evidence=evidence) + "\n"


def report_frame(contents: Sequence[tuple[str, str]], faults: Sequence[str], note: str = "") -> tuple[str, str]:
    """The page before and after its sections, which may be larger than memory.

    Arguments
    ---------
    contents : sequence of (str, str)
        Name and emotion of each section's clip, in order.
    faults : sequence of str
        One line for each clip that has no section.
    note : str
        Plain text at the top.

    Returns
    -------
    tuple of (str, str)
        HTML.

    Example
    -------
    >>> head, tail = report_frame([("a.wav", "sad 80 %")], ["b.wav: no such file"])
    >>> "A recording explained" in head, "<nav" in head, "<li>b.wav: no such file</li>" in tail
    (True, False, True)
    """
    title = "A recording explained" if len(contents) == 1 else f"{len(contents)} recordings explained"
    body = render("report", note=note, contents=contents, sections=PLACE, faults=faults)
    head, tail = document(title, body).split(PLACE)
    return head, tail
