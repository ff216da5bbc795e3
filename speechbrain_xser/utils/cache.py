"""Where files lie that a command brought once for this user and that every project of theirs can use."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def user_cache() -> Path:
    """The folder that ``xser setup`` fills: ``XSER_CACHE``, else the system's place for a user's caches.

    Returns
    -------
    Path
        Absolute; on Linux ``~/.cache/speechbrain_xser`` by default. It need not be there.

    Example
    -------
    >>> getfixture("monkeypatch").setenv("XSER_CACHE", "/somewhere/else")
    >>> str(user_cache())
    '/somewhere/else'
    """
    usual = platformdirs.user_cache_dir("speechbrain_xser", appauthor=False)
    return Path(os.environ.get("XSER_CACHE") or usual).absolute()
