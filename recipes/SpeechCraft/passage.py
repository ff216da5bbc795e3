"""A passage of a corpus: what is known of it without SpeechCraft."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Passage(NamedTuple):
    """A clip, or a segment of a recording, that SpeechCraft may have annotated."""

    id: str  # the corpus's own, as SpeechCraft's keys have it
    corpus: str  # gigaspeech or libritts
    file: Path
    recording: str  # or reader: whatever must not be on two sides of a split
    speaker: str | None
    text: str | None  # None where nothing is spoken
    topic: str | None
    start: float | None = None  # seconds
    stop: float | None = None  # seconds
