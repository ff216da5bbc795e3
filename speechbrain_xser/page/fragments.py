"""Parts of the web page other than evidence: messages, a clip's player, a growing paragraph, a progress bar.

What a part says to a screen reader is in its attribute ``data-live``; a script takes it into the live region.
A region that was itself replaced with every piece of a result would not be announced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.page.environment import render

STEPS = 10  # of a task's progress that a screen reader announces


class Link(NamedTuple):
    """A file that a result can be saved as."""

    title: str
    name: str  # under which it is saved
    address: str  # relative to the page


def title(text: str, lead: str) -> str:
    """The heading of the page."""
    return render("title", title=text, lead=lead)


def note(text: str) -> str:
    """Small print."""
    return render("note", text=text)


def hint(text: str) -> str:
    """What will appear here."""
    return render("hint", text=text)


def alert(message: str) -> str:
    """An error message, which a screen reader announces at once."""
    return render("alert", message=message)


def notice(message: str) -> str:
    """What a reader has to know beforehand."""
    return render("notice", message=message)


def player(name: str, length: str, source: str, label: str) -> str:
    """A player for an uploaded clip, with its name and length as text and a label for screen readers."""
    return render("player", name=name, length=length, source=source, label=label)


def streaming_paragraph(text: str, doing: str) -> str:
    """An unfinished paragraph, and what is being done."""
    return render("streaming", text=text, doing=doing)


def progress_bar(name: str, done: float, whole: float, doing: str) -> str:
    """How far the reading of a file is; a screen reader hears of every tenth.

    Example
    -------
    >>> 'data-live="a.wav: 30 % read"' in progress_bar("a.wav", 37.0, 100.0, "37 s of 1:40 min read")
    True
    """
    share = min(done / whole, 1.0) if whole else 0.0
    live = f"{name}: {100 // STEPS * int(STEPS * share)} % read" if whole else f"Reading {name}"
    return render("progress", name=name, share=f"{share:.4g}", doing=doing, live=live)


def result_head(name: str, length: str, live: str, links: Sequence[Link] = ()) -> str:
    """Of what a result is, and the files that it can be saved as."""
    return render("result_head", name=name, length=length, live=live, links=links)


def live_region() -> str:
    """Where a screen reader hears what is going on; invisible."""
    return render("live_region")


def last_moment(time: str, emotion: str, text: str) -> str:
    """The latest moment found in a recording."""
    return render("last_moment", time=time, emotion=emotion, text=text)


def head(style: str, script: str) -> str:
    """Style and script for the head of a page that is made elsewhere.

    Example
    -------
    >>> print(head(".a {}", "let b;"))
    <style>.a {}</style>
    <script>let b;</script>
    """
    return render("head", style=style, script=script)
