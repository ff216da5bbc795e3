"""One HTML file that holds all it needs: nothing is fetched, and nothing has to be run."""

from __future__ import annotations

from html import escape

from speechbrain_xser.page.style import STYLE

__all__ = ["STYLE", "document"]


def document(title: str, body: str, script: str = "", wide: bool = False) -> str:
    """A page of its own around fragments.

    Arguments
    ---------
    title : str
        Plain text; also the heading.
    body : str
        HTML.
    script : str
        JavaScript, for pages that react; none by default.
    wide : bool
        Whether the page is as wide as its tables; else as wide as text is read well.

    Returns
    -------
    str
        The whole document.

    Example
    -------
    >>> page = document("a < b", "<p>Hello</p>")
    >>> "<h1>a &lt; b</h1>" in page, "<script" in page
    (True, False)
    """
    ran = f"<script>{script}</script>\n" if script else ""
    return (
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
        "<meta name=viewport content='width=device-width, initial-scale=1'>\n<link rel=icon href='data:,'>\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<body class="xser-page{" xser-wide" if wide else ""}">\n<h1>{escape(title)}</h1>\n{body}\n{ran}</body>\n'
        "</html>\n"
    )
