"""Settings of a server: its limits, and what it says about its model."""

from __future__ import annotations

from typing import NamedTuple


class WebSettings(NamedTuple):
    """The settings of one server.

    Example
    -------
    >>> WebSettings("A model.", max_seconds=30.0).max_bytes
    524288000
    """

    model: str  # one or two sentences about it, in plain text
    packaged: bool = False  # whether it is the tiny model, which should not be trusted
    max_seconds: float = 30.0  # of a clip
    max_megabytes: float = 500.0  # of an upload, MiB
    max_hours: float = 4.0  # of a long recording

    @property
    def max_bytes(self) -> int:
        """Size of the largest upload."""
        return round(self.max_megabytes * 2**20)
