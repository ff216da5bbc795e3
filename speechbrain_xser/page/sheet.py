"""Tables and pictures of a report."""

from __future__ import annotations

import base64

from speechbrain_xser.page.environment import render
from speechbrain_xser.utils.sheet import Sheet


def sheet_section(sheet: Sheet) -> str:
    """A titled table with its notes, as HTML.

    Example
    -------
    >>> "<td>a &lt; b</td>" in sheet_section(Sheet("small", "A title", ("row",), (("a < b",),)))
    True
    """
    return render("sheet", sheet=sheet)


def picture(png: bytes, caption: str) -> str:
    """A PNG with its caption, as HTML.

    Example
    -------
    >>> 'alt="a"' in picture(b"", "a")
    True
    """
    return render("picture", png=base64.b64encode(png).decode("ascii"), caption=caption)
