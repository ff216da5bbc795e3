"""A passage of a corpus: what is known about it without SpeechCraft."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Passage(NamedTuple):
    """A clip, or a segment of a recording, that SpeechCraft may have annotated."""

    id: str  # the corpus's own, as in SpeechCraft's keys
    corpus: str  # gigaspeech or libritts
    file: Path
    recording: str  # or reader: what must not be on two sides of a split
    speaker: str | None
    text: str | None  # None if nothing is spoken
    topic: str | None
    start: float | None = None  # seconds
    stop: float | None = None  # seconds
