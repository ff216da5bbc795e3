"""The source of a timeline, which is written at the head of each output."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.answer.reliability import Reliability
from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.diarization import Speakers
from speechbrain_xser.timeline.recording import Recording


class Source(NamedTuple):
    """A recording, and what it is explained with."""

    recording: Recording  # its length and fault are known after it has been read
    model: str  # as the user named it
    emotions: tuple[str, ...]  # classes of the model, in order
    cutting: Cutting
    speakers: Speakers | None = None  # if they were told apart
    reliability: Reliability | None = None  # of the model's answers, where its folder has it

    @property
    def name(self) -> str:
        """The recording's file name."""
        return Path(self.recording.path).name
