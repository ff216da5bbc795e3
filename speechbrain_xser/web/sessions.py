"""The clips of each open page: in memory, by session, and forgotten when the page is closed or too many are kept."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Container
from threading import Lock

from speechbrain_xser.web.clip import Upload


class Sessions:
    """Clips of every open page, by the name of their input.

    Arguments
    ---------
    kept_bytes : int
        Sum of all clips. If it is exceeded, the clips of the sessions that were not used for longest are forgotten.

    Example
    -------
    >>> import torch
    >>> sessions, clip = Sessions(kept_bytes=50_000), Upload("a.wav", torch.zeros(8000), 16000)
    >>> sessions.keep("page 1", "voice", clip)
    >>> sessions.get("page 1", "voice") is clip, sessions.get("page 2", "voice")
    (True, None)
    >>> sessions.keep("page 2", "voice", clip)
    >>> sessions.get("page 1", "voice") is None, sessions.get("page 2", "voice") is clip
    (True, True)
    >>> sessions.forget("page 2")
    >>> len(sessions)
    0
    """

    def __init__(self, kept_bytes: int) -> None:
        self.kept_bytes = kept_bytes
        self._clips: OrderedDict[str, dict[str, Upload]] = OrderedDict()
        self._used: dict[str, float] = {}  # when each session was last used
        self._lock = Lock()

    def keep(self, session: str, place: str, clip: Upload | None) -> None:
        """Stores a clip for an input, replacing an earlier one; None removes it."""
        with self._lock:
            clips = self._clips.setdefault(session, {})
            self._touch(session)
            if clip is None:
                clips.pop(place, None)
            else:
                clips[place] = clip
            while len(self._clips) > 1 and self._bytes() > self.kept_bytes:
                self._drop(next(iter(self._clips)))
            if not clips:
                self._drop(session)

    def get(self, session: str, place: str) -> Upload | None:
        """The clip of an input."""
        with self._lock:
            if session in self._clips:
                self._touch(session)
            return self._clips.get(session, {}).get(place)

    def forget(self, session: str) -> None:
        """Drops all clips of a session."""
        with self._lock:
            self._drop(session)

    def forget_unused(self, seconds: float, pages: Container[str] = ()) -> None:
        """Drops the clips of sessions that were not used for some seconds, except for those of open ``pages``."""
        with self._lock:
            for session in [name for name, used in self._used.items() if time.monotonic() - used >= seconds]:
                if session not in pages:
                    self._drop(session)

    def __len__(self) -> int:
        return sum(map(len, self._clips.values()))

    def _touch(self, session: str) -> None:
        self._clips.move_to_end(session)
        self._used[session] = time.monotonic()

    def _drop(self, session: str) -> None:
        self._clips.pop(session, None)
        self._used.pop(session, None)

    def _bytes(self) -> int:
        return sum(clip.wav.nbytes for clips in self._clips.values() for clip in clips.values())
