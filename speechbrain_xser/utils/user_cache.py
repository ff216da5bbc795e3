"""The folder for files that a command downloads once for this user and all of their projects."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

SET_UP = ("whisper-tiny.en", "smollm2-135m-instruct")  # the backbones that `xser setup small` downloads
RESEMBLYZER_FOLDER = "resemblyzer"  # the speaker encoder that `xser setup speakers` downloads


def user_cache() -> Path:
    """The folder that ``xser setup`` fills: ``XSER_CACHE``, or the system's cache folder. It need not exist."""
    usual = platformdirs.user_cache_dir("speechbrain_xser", appauthor=False)
    return Path(os.environ.get("XSER_CACHE") or usual).absolute()


def is_set_up() -> bool:
    """Whether ``xser setup small`` has brought all of its backbones."""
    return all((user_cache() / name).is_dir() for name in SET_UP)
