"""Style sheets and scripts that are embedded in the pages."""

from __future__ import annotations

from pathlib import Path


def asset(name: str) -> str:
    """The text of a file in this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
