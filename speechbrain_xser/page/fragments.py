"""Pieces of the web page beside those of the evidence: messages, a clip's player, a paragraph that grows, a bar."""

from __future__ import annotations

from speechbrain_xser.page.environment import render


def title(text: str, lead: str) -> str:
    """The head of the page.

    Example
    -------
    >>> "Nothing is kept." in title("Speech", "Nothing is kept.")
    True
    """
    return render("title", title=text, lead=lead)


def note(text: str) -> str:
    """Small print.

    Example
    -------
    >>> note("a < b")
    '<p class="xser-note">a &lt; b</p>'
    """
    return render("note", text=text)


def hint(text: str) -> str:
    """What will be here.

    Example
    -------
    >>> hint("Nothing yet.")
    '<p class="xser-web-hint">Nothing yet.</p>'
    """
    return render("hint", text=text)


def alert(message: str) -> str:
    """What went wrong, which a screen reader says at once.

    Example
    -------
    >>> alert("a<b.wav: 0 bytes.")
    '<p class="xser-web-alert" role="alert">a&lt;b.wav: 0 bytes.</p>'
    """
    return render("alert", message=message)


def notice(message: str) -> str:
    """What a reader must know beforehand.

    Example
    -------
    >>> notice("A tiny model.")
    '<p class="xser-web-notice" role="note">A tiny model.</p>'
    """
    return render("notice", message=message)


def player(name: str, length: str, source: str, label: str) -> str:
    """A clip that was handed in, to listen to.

    Arguments
    ---------
    name : str
        Of the file.
    length : str
        As people read it.
    source : str
        Address of the sound.
    label : str
        What the clip is, for a screen reader.

    Returns
    -------
    str
        HTML.

    Example
    -------
    >>> 'aria-label="Your clip: a.wav" src="data:,"' in player("a.wav", "0.5 s", "data:,", "Your clip")
    True
    """
    return render("player", name=name, length=length, source=source, label=label)


def streaming_paragraph(text: str, doing: str) -> str:
    """A paragraph that is not finished, and what is being done.

    Example
    -------
    >>> streaming_paragraph("A < man", "Writing …").index("A &lt; man<span") > 0
    True
    """
    return render("streaming", text=text, doing=doing)


def progress_bar(done: float, whole: float, doing: str) -> str:
    """How far something is.

    Example
    -------
    >>> 'value="0.25"' in progress_bar(30, 120, "Reading")
    True
    """
    share = min(done / whole, 1.0) if whole else 0.0
    return render("progress", share=f"{share:.4g}", doing=doing)


def last_moment(time: str, emotion: str, text: str) -> str:
    """What was just found in a recording.

    Example
    -------
    >>> "<b>sad</b> oh no" in last_moment("1.0 s", "sad", "oh no")
    True
    """
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
