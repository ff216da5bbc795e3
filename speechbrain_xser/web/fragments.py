"""Pieces of the page beside those of the evidence: messages, a clip's player, a paragraph that grows, a bar."""

from __future__ import annotations

from html import escape

from speechbrain_xser.web.clip import Upload, said


def hint(text: str) -> str:
    """What will be here.

    Example
    -------
    >>> hint("Nothing yet.")
    '<p class="xser-web-hint">Nothing yet.</p>'
    """
    return f'<p class="xser-web-hint">{escape(text)}</p>'


def alert(message: str) -> str:
    """What went wrong, which a screen reader says at once.

    Example
    -------
    >>> alert("a<b.wav: 0 bytes.")
    '<p class="xser-web-alert" role="alert">a&lt;b.wav: 0 bytes.</p>'
    """
    return f'<p class="xser-web-alert" role="alert">{escape(message)}</p>'


def notice(message: str) -> str:
    """What a reader must know beforehand.

    Example
    -------
    >>> notice("A tiny model.")
    '<p class="xser-web-notice" role="note">A tiny model.</p>'
    """
    return f'<p class="xser-web-notice" role="note">{escape(message)}</p>'


def player(clip: Upload, label: str) -> str:
    """A clip that was handed in, to listen to.

    Example
    -------
    >>> import torch
    >>> html = player(Upload("a.wav", torch.zeros(8000), 16000), "Your clip")
    >>> "a.wav" in html, "0.5 s" in html
    (True, True)
    """
    name, source = escape(clip.name), clip.source()
    return (
        f'<figure class="xser-web-player"><figcaption><b>{name}</b> <span>{said(clip.seconds)}</span></figcaption>'
        f'<audio controls aria-label="{escape(label)}: {name}" src="{source}"></audio></figure>'
    )


def growing_paragraph(text: str, doing: str) -> str:
    """A paragraph that is not finished, and what is being done.

    Example
    -------
    >>> growing_paragraph("A < man", "Writing …").index("A &lt; man<span") > 0
    True
    """
    return (
        f'<div class="xser-web-growing" aria-busy="true"><p class="xser-paragraph">{escape(text)}'
        f'<span class="xser-web-caret"></span></p><p class="xser-web-doing" role="status">{escape(doing)}</p></div>'
    )


def progress_bar(done: float, whole: float, doing: str) -> str:
    """How far something is.

    Example
    -------
    >>> 'value="0.25"' in progress_bar(30, 120, "Reading")
    True
    """
    share = min(done / whole, 1.0) if whole else 0.0
    return (
        f'<div class="xser-web-progress"><progress max="1" value="{share:.4g}" aria-label="{escape(doing)}"></progress>'
        f'<p class="xser-web-doing" role="status">{escape(doing)}</p></div>'
    )
