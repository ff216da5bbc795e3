"""Tables and pictures of a report."""

from __future__ import annotations

import base64

from speechbrain_xser.page.environment import render
from speechbrain_xser.utils.sheet import Sheet


def sheet_section(sheet: Sheet) -> str:
    """A table with its title and notes, as HTML."""
    return render("sheet", sheet=sheet)


def picture(png: bytes, caption: str) -> str:
    """A PNG with its caption, as HTML."""
    return render("picture", png=base64.b64encode(png).decode("ascii"), caption=caption)
