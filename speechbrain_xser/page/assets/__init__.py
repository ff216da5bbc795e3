"""Style sheets and scripts, which stand inside the pages."""

from __future__ import annotations

from pathlib import Path


def asset(name: str) -> str:
    """The text of a file of this folder.

    Example
    -------
    >>> ".xser-page" in asset("style.css")
    True
    """
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
