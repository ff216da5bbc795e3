"""A command as a user meets it: what goes wrong is one clear line, and a folder is written by one run at a time."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from speechbrain_xser.errors import TrainingError, XserError

logger = get_logger(__name__)

FAULTY_INPUT = 2  # what was given cannot be used; also click's code for a wrong option
INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended
GOES_ON = "Interrupted; the same command goes on where this one stopped."


@contextmanager
def one_line_errors(interrupted: str = GOES_ON) -> Iterator[None]:
    """Ends the process with one line where the fault is not the program's; the traceback goes into the run's log.

    The exit code is 2 for what cannot be used, and 130 after Ctrl-C.

    Arguments
    ---------
    interrupted : str
        What is said after Ctrl-C.

    Example
    -------
    >>> from speechbrain_xser.errors import SettingsError
    >>> with one_line_errors():  # "error: beta is 'a lot'; expected a number." on the error stream
    ...     raise SettingsError("beta is 'a lot'; expected a number.")
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """
    try:
        yield
    except (XserError, OSError) as error:
        logger.debug("The run ended here.", exc_info=True)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(FAULTY_INPUT)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(INTERRUPTED)


@contextmanager
def claimed(folder: str | Path, wait: bool = False, lock: str = ".lock") -> Iterator[None]:
    """Keeps a folder for one run at a time: two would remove each other's checkpoints.

    The claim is a lock of the main process, so that one that was killed leaves nothing behind.

    Arguments
    ---------
    folder : str or Path
        Made if missing.
    wait : bool
        Whether to wait for another run's end, where this one can use what that one leaves.
    lock : str
        Name of the file that is locked; runs with other names do not meet.

    Raises
    ------
    TrainingError
        If another run holds the folder and is not waited for.

    Example
    -------
    >>> with claimed(getfixture("tmp_path") / "run"):
    ...     pass
    """
    if not if_main_process():
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / lock, "a", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            if not wait:
                raise TrainingError(
                    f"Another run is writing to {folder}: wait for its end, or name another folder."
                ) from error
            logger.info("Waiting for another run that is writing to %s.", folder)
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield
