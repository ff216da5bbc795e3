"""What a rank leaves for later starts of the same launch: that a restart does not mend why it ended.

Importing this is quick: a rank that has nothing to do ends before it loads torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = "XSER_LAUNCH"  # the variable with the folder of a launch
NOTE = "no-restart"


def noted_code() -> int | None:
    """The exit code that an earlier start of this launch has left; ``None`` if it left none.

    Example
    -------
    >>> note_end(2); noted_code() is None  # no launch
    True
    """
    folder = os.environ.get(FOLDER)
    note = Path(folder, NOTE) if folder else None
    return int(note.read_text()) if note is not None and note.exists() else None


def end_if_noted() -> None:
    """Ends the process at once, if an earlier start of this launch has left its exit code."""
    if (code := noted_code()) is not None:
        sys.exit(code)


def note_end(code: int) -> None:
    """Leaves an exit code for later starts of this launch; the first one counts."""
    folder = os.environ.get(FOLDER)
    if folder and Path(folder).is_dir() and noted_code() is None:
        Path(folder, NOTE).write_text(str(code))
