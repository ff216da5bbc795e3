"""Settings of a server: its limits, and what it says about its model."""

from __future__ import annotations

from typing import NamedTuple

UPLOADS_AT_ONCE = 4  # of the largest size
CLIPS = 4  # of the longest, in memory for each place
BYTES = 4 * 16000  # of a second in memory
RESULT_BYTES = 5 * 10**6  # of files to save for each place: those of two hours' talk, 1,900 moments, take 4.5 MB


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
    places: int = 16  # requests that are answered or wait at the same time
    names: tuple[str, ...] = ()  # of the server, besides its addresses and localhost
    login: tuple[str, str] | None = None  # user and password
    model_name: str = ""  # as files call it

    @property
    def max_bytes(self) -> int:
        """Size of the largest upload."""
        return round(self.max_megabytes * 2**20)

    @property
    def max_clip_bytes(self) -> int:
        """Sum of the clips of all open pages."""
        return round(CLIPS * self.places * self.max_seconds * BYTES)

    @property
    def max_result_bytes(self) -> int:
        """Sum of the files to save of all open pages."""
        return self.places * RESULT_BYTES

    @property
    def max_bytes_of_all(self) -> int:
        """Sum of all uploads that wait or are read."""
        return UPLOADS_AT_ONCE * self.max_bytes
