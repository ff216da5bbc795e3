"""What a launch and its ranks tell each other: that a restart does not mend a rank's end, and that the launcher lives.

On several machines the word is left at the address where they meet, too: the store there outlives the ranks.

Importing this is quick: a rank that has nothing to do ends before it loads torch.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_xser.utils.folder_locks import is_locked, locked
from speechbrain_xser.utils.parent import end_after

if TYPE_CHECKING:
    from torch.distributed import TCPStore

FOLDER = "XSER_LAUNCH"  # the variable with the folder of a launch
MEETING = "XSER_MEETING"  # HOST:PORT where several machines meet
JOB = "XSER_JOB"  # tells jobs apart that meet there
RANK = "RANK"  # only ranks have it
NOTE = "no-restart"
SECONDS = 0.5  # between two looks at the launcher
PATIENCE = datetime.timedelta(seconds=10)
ELSEWHERE = (
    "error: A rank on another machine has ended with an error that a restart does not mend, and this machine's ranks "
    "end with it: its own output says why."
)


def noted_code() -> int | None:
    """The exit code that an earlier start of this launch has left on this machine; ``None`` if it left none.

    Example
    -------
    >>> note_end(2); noted_code() is None  # no launch
    True
    """
    folder = os.environ.get(FOLDER)
    note = Path(folder, NOTE) if folder else None
    return int(note.read_text()) if note is not None and note.exists() else None


def end_if_noted() -> None:
    """Ends the process at once, if an earlier start of this launch has left its exit code, on whatever machine."""
    code = noted_code()
    if code is None and (code := _code_elsewhere()) is not None:
        print(ELSEWHERE, file=sys.stderr)
        _write_note(code)
    if code is not None:
        sys.exit(code)


@contextlib.contextmanager
def launch_folder() -> Iterator[None]:
    """A folder for what this launch and its ranks tell each other; locked while the launcher lives."""
    with tempfile.TemporaryDirectory(prefix="xser-ranks-") as folder, locked(Path(folder)):
        os.environ[FOLDER] = folder
        yield


def end_with_launcher() -> None:
    """Makes a rank end when its launcher does; torch starts ranks in sessions of their own, which a kill spares.

    Does nothing in a process that no launch has started.
    """
    if RANK in os.environ and (folder := os.environ.get(FOLDER)):
        end_after(lambda: _wait_for_end(Path(folder)))


def _wait_for_end(folder: Path) -> None:
    while is_locked(folder):
        time.sleep(SECONDS)


def note_end(code: int) -> None:
    """Leaves an exit code for later starts of this launch, on this machine and where machines meet."""
    folder = os.environ.get(FOLDER)
    if folder and Path(folder).is_dir() and noted_code() is None:
        _write_note(code)
        with contextlib.suppress(RuntimeError):  # the store has gone with its machine
            if (store := _meeting_store()) is not None:
                store.set(_key(), str(code))


def _write_note(code: int) -> None:
    """Whole or not at all: ranks of a machine may write and read at once."""
    beside = Path(os.environ[FOLDER], f"{NOTE}.{os.getpid()}")
    beside.write_text(str(code))
    os.replace(beside, beside.with_name(NOTE))


def _code_elsewhere() -> int | None:
    with contextlib.suppress(RuntimeError):
        if (store := _meeting_store()) is not None and store.check([_key()]):
            return int(store.get(_key()))
    return None


def _key() -> str:
    """Of this job's note in the store."""
    return f"xser/{os.environ.get(JOB, '')}/{NOTE}"


def _meeting_store() -> TCPStore | None:
    """The store of torchrun's agents, which outlives the ranks; ``None`` for one machine."""
    if not os.environ.get(MEETING):
        return None
    from torch.distributed import TCPStore  # torch is slow to load

    host, _, port = os.environ[MEETING].rpartition(":")
    return TCPStore(host.strip("[]"), int(port), is_master=False, wait_for_workers=False, timeout=PATIENCE)
