"""What a timeline was made of: it stands at the head of what is written."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.recording import Recording


class Source(NamedTuple):
    """A recording, and what it was explained with."""

    recording: Recording  # after it was read, its length and fault are known
    model: str  # as the user named it
    emotions: tuple[str, ...]  # classes of the model, in order
    cutting: Cutting

    @property
    def name(self) -> str:
        """The recording's file name."""
        return Path(self.recording.path).name
