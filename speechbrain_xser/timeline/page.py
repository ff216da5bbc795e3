"""A timeline as one HTML page.

Its sound is the recording itself, by its path relative to the page, or is stored in the page (``embed_audio``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from speechbrain_xser.page.timeline_view import timeline_page, timeline_sections
from speechbrain_xser.timeline.embedding import opus_address
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.timeline.source import Source


def page_text(
    moments: Iterable[Moment], source: Source, folder: str | os.PathLike = ".", embed_audio: bool = False
) -> Iterator[str]:
    """Yields a whole page for ``folder``; unlike other outputs it is made in memory, about two kilobytes per moment."""
    recording = source.recording
    address = _address(recording, folder, embed_audio)
    moments = list(moments)
    told = source.emotions, recording.read_seconds, source.name, source.reliability
    sections = timeline_sections(moments, address, *told)
    yield timeline_page(source.name, sections, source.model, None if recording.fault is None else str(recording.fault))


def _address(recording: Recording, folder: str | os.PathLike, embed_audio: bool) -> str | None:
    """The address of the sound for the page; None if it came through a pipe."""
    if embed_audio:
        return opus_address(recording.file, recording.track)
    if recording.file != os.fspath(recording.path):
        return None
    return quote(os.path.relpath(recording.path, folder).replace(os.sep, "/"))
