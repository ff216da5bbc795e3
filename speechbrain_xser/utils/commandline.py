"""Behaviour of every command: a failure is one clear line, and only one run at a time writes to a folder.

Importing this is quick: it needs no torch.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechbrain_xser.errors import TrainingError, XserError
from speechbrain_xser.utils.out_of_memory import is_out_of_memory
from speechbrain_xser.versions import install_hint

logger = logging.getLogger(__name__)

STDOUT = 1  # the descriptor
FAULTY_INPUT = 2  # the input cannot be used; also click's code for a wrong option
INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended
NOBODY_READS = 141  # the same for a process whose output is no longer read
EXTRAS = {  # extra by library
    **dict.fromkeys(("sklearn", "matplotlib"), "report"),
    **{library: library for library in ("datasets", "ray", "tensorboard", "wandb")},
    "pyarrow": "parquet",
    "gradio": "web",
}
GOES_ON = "Interrupted; the same command continues where this one stopped."
SMALLER = "use a smaller batch (--batch-size, --batch_size), or --device cpu."
STARTS_ANEW = "Interrupted; no partial output is left."


@contextmanager
def one_line_errors(stopped: str = GOES_ON) -> Iterator[None]:
    """Ends the process with one line if the program is not at fault; the traceback goes into the run's log.

    The exit code is 2 for unusable input, 130 after Ctrl-C (with the line ``stopped``), and 141 if the output is piped
    into a program that has ended.

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
    except BrokenPipeError:
        _end_unread()
    except (XserError, OSError) as error:
        logger.debug("The run ended here.", exc_info=True)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(FAULTY_INPUT)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS:
            raise
        print(f"error: {library} is missing. Run: {install_hint(EXTRAS[library])}", file=sys.stderr)
        sys.exit(FAULTY_INPUT)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        logger.debug("The run ended here.", exc_info=True)
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        print(f"error: Out of memory ({told}): {SMALLER}", file=sys.stderr)
        sys.exit(FAULTY_INPUT)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        sys.exit(INTERRUPTED)


def _end_unread() -> None:
    """Ends silently; otherwise Python would complain at exit about output that it cannot write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
    sys.exit(NOBODY_READS)


@contextmanager
def as_a_command() -> Iterator[None]:
    """Setup for every command: any file name can be printed, and SIGTERM ends it cleanly with 143."""
    logging.getLogger("speechbrain.utils.train_logger").addFilter(_not_of_torchvision)
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    _keep_stdout()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
        sys.stdout.flush()
    finally:
        signal.signal(signal.SIGTERM, previous)


def _keep_stdout() -> None:
    """Keeps standard output for this program: libraries of sound print into its descriptor, amid lines of JSON.

    It stays so until the process ends, when they write what they hold back.
    """
    stream = sys.stdout
    if stream is not sys.__stdout__ or stream is None or stream.fileno() != STDOUT:
        return
    stream.flush()
    kept, nowhere = os.dup(STDOUT), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)
    binary = open(kept, "wb", 0 if stream.write_through else -1)  # noqa: SIM115 (until the process ends)
    names = ("encoding", "errors", "line_buffering", "write_through")
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(binary, **{name: getattr(stream, name) for name in names})


def give_back_stdout() -> None:
    """Lets processes that this one starts write to its standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout.flush()
        os.dup2(sys.stdout.fileno(), STDOUT)


def _not_of_torchvision(record: logging.LogRecord) -> bool:
    """Drops the message of SpeechBrain's logger that torchvision is missing, which is not needed here."""
    return "torchvision" not in record.getMessage()


def _exit(number: int, frame: object) -> None:
    sys.exit(128 + number)


def is_main_process() -> bool:
    """Whether this is the only process, or the first of several that train together.

    SpeechBrain's own function loads torch, which takes seconds. Without torch loaded, no processes train together.
    """
    distributed = sys.modules.get("torch.distributed")
    together = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return not together or distributed.get_rank() == 0


@contextmanager
def claimed(folder: str | Path, wait: bool = False, lock: str = ".lock") -> Iterator[None]:
    """Reserves a folder for one run at a time: two runs would remove each other's checkpoints.

    The claim is a lock of the main process, which the system releases when the process ends, however it ends. Forked
    processes do not hold it.

    Arguments
    ---------
    folder : str or Path
        Created if missing.
    wait : bool
        Whether to wait for another run to end, if this one can use its results.
    lock : str
        Name of the locked file; runs with different names do not exclude each other.

    Raises
    ------
    TrainingError
        If another run holds the folder and ``wait`` is false, or the folder cannot be locked.

    Example
    -------
    >>> with claimed(getfixture("tmp_path") / "run"):
    ...     pass
    """
    from filelock import FileLock, Timeout

    if not is_main_process():
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    claim = FileLock(Path(folder) / lock)
    try:
        try:
            claim.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise TrainingError(
                    f"Another run is writing to {folder}: wait until it ends, or choose another folder."
                ) from error
            logger.warning("Waiting for another run that is writing to %s.", folder)
            claim.acquire()
    except OSError as error:
        raise TrainingError(
            f"{folder} cannot be locked ({error}): choose a writable folder, on a disk that supports locks."
        ) from error
    try:
        yield
    finally:
        claim.release()
