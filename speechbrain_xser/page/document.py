"""A self-contained HTML file: nothing is loaded, and no script is needed."""

from __future__ import annotations

from speechbrain_xser.page.environment import render
from speechbrain_xser.page.style import STYLE

__all__ = ["STYLE", "document"]


def document(title: str, body: str, script: str = "", wide: bool = False) -> str:
    """A whole page around fragments.

    Arguments
    ---------
    title : str
        Plain text; also the heading.
    body : str
        HTML.
    script : str
        JavaScript for interactive pages; none by default.
    wide : bool
        Whether the page is as wide as its tables; otherwise it has a width that reads well.

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
    return render("document", title=title, style=STYLE, body=body, script=script, wide=wide) + "\n"
