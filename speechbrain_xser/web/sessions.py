"""The clips of each open page: in memory, by session, and forgotten when the page is closed."""

from __future__ import annotations

from collections import defaultdict

from speechbrain_xser.web.clip import Upload


class Sessions:
    """Clips of every open page, by the name of their input.

    Example
    -------
    >>> import torch
    >>> sessions, clip = Sessions(), Upload("a.wav", torch.zeros(8000), 16000)
    >>> sessions.keep("page 1", "voice", clip)
    >>> sessions.get("page 1", "voice") is clip, sessions.get("page 2", "voice")
    (True, None)
    >>> sessions.forget("page 1")
    >>> sessions.get("page 1", "voice") is None
    True
    """

    def __init__(self) -> None:
        self._clips: dict[str, dict[str, Upload]] = defaultdict(dict)

    def keep(self, session: str, place: str, clip: Upload | None) -> None:
        """Stores a clip for an input, replacing an earlier one; None removes it."""
        if clip is None:
            self._clips[session].pop(place, None)
        else:
            self._clips[session][place] = clip

    def get(self, session: str, place: str) -> Upload | None:
        """The clip of an input."""
        return self._clips.get(session, {}).get(place)

    def forget(self, session: str) -> None:
        """Drops all clips of a session."""
        self._clips.pop(session, None)

    def __len__(self) -> int:
        return sum(map(len, self._clips.values()))
