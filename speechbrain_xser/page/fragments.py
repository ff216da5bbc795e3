"""Parts of the web page other than evidence: messages, a clip's player, a growing paragraph, a progress bar."""

from __future__ import annotations

from speechbrain_xser.page.environment import render


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


def progress_bar(done: float, whole: float, doing: str) -> str:
    """How far a task is."""
    share = min(done / whole, 1.0) if whole else 0.0
    return render("progress", share=f"{share:.4g}", doing=doing)


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
