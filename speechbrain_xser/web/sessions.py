"""What each open page holds: in memory, by session, and forgotten when the page is closed or too much is kept."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Container
from threading import Lock

from speechbrain_xser.web.clip import Upload
from speechbrain_xser.web.downloads import Result


class Sessions:
    """Clips and results of every open page, by the name of their place on it.

    Arguments
    ---------
    clip_bytes : int
        Sum of all clips. If it is exceeded, those of the sessions that were not used for longest are forgotten.
    result_bytes : int
        The same for results: they make no clip go.

    Example
    -------
    >>> import torch
    >>> sessions, clip = Sessions(50_000, 50_000), Upload("a.wav", torch.zeros(8000), 16000)
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

    def __init__(self, clip_bytes: int, result_bytes: int) -> None:
        self.most: dict[type, int] = {Upload: clip_bytes, Result: result_bytes}
        self._held: OrderedDict[str, dict[str, Upload | Result]] = OrderedDict()
        self._used: dict[str, float] = {}  # when each session was last used
        self._lock = Lock()

    def keep(self, session: str, place: str, value: Upload | Result | None) -> None:
        """Stores a clip or a result for a place, replacing an earlier one; None removes it."""
        with self._lock:
            held = self._held.setdefault(session, {})
            self._touch(session)
            if value is None:
                held.pop(place, None)
            else:
                held[place] = value
            for kind, most in self.most.items():
                self._make_room(kind, most)
            for empty in [name for name, values in self._held.items() if not values]:
                self._drop(empty)

    def get(self, session: str, place: str) -> Upload | Result | None:
        """What a place holds."""
        with self._lock:
            if session in self._held:
                self._touch(session)
            return self._held.get(session, {}).get(place)

    def files(self, key: str) -> dict[str, bytes]:
        """The files of the result with a key, none if it is not held."""
        with self._lock:
            for session, held in self._held.items():
                for value in held.values():
                    if isinstance(value, Result) and value.key == key:
                        self._touch(session)
                        return value.files
            return {}

    def forget(self, session: str) -> None:
        """Drops all that a session holds."""
        with self._lock:
            self._drop(session)

    def forget_unused(self, seconds: float, pages: Container[str] = ()) -> None:
        """Drops what sessions hold that were not used for some seconds, except for those of open ``pages``."""
        with self._lock:
            for session in [name for name, used in self._used.items() if time.monotonic() - used >= seconds]:
                if session not in pages:
                    self._drop(session)

    def __len__(self) -> int:
        """How many clips are held."""
        with self._lock:
            return sum(isinstance(value, Upload) for held in self._held.values() for value in held.values())

    def _touch(self, session: str) -> None:
        self._held.move_to_end(session)
        self._used[session] = time.monotonic()

    def _drop(self, session: str) -> None:
        self._held.pop(session, None)
        self._used.pop(session, None)

    def _make_room(self, kind: type, most: int) -> None:
        """Forgets what is of a kind, but for that of the last session, until its sum is at most ``most`` bytes."""
        for session in [*self._held][:-1]:
            if self._bytes(kind) <= most:
                break
            held = self._held[session]
            self._held[session] = {place: value for place, value in held.items() if not isinstance(value, kind)}

    def _bytes(self, kind: type) -> int:
        values = (value for held in self._held.values() for value in held.values())
        return sum(value.nbytes for value in values if isinstance(value, kind))
