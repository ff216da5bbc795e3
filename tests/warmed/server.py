"""Has imported what our commands import, and forks a process for each command that it is handed.

python -m tests.warmed.server FOLDER: listens at ``FOLDER/socket`` until its standard input ends. A child has its own
words, folder, environment, streams and process group, and ends as an interpreter ends; ``FOLDER/PID`` holds its number
under that of the client, so that a test can reach it.
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

ROOT, PACKAGE = Path(__file__).resolve().parents[2], "speechbrain_xser"
PRELOADED = (
    *("bitsandbytes", "hyperpyyaml", "joblib", "jiwer", "matplotlib.pyplot", "scipy.signal", "scipy.stats"),
    *("silero_vad", "sklearn.linear_model", "soundfile", "speechbrain", "torchaudio", "av", "rich.console"),
    *("peft", "transformers.models.llama.modeling_llama", "transformers.models.hubert.modeling_hubert"),
    *(f"speechbrain_xser.cli.{name}" for name in ("annotate", "explain", "reproduce", "timeline", "train")),
    *("speechbrain_xser.evidence.clip_evidence", "speechbrain_xser.inference.recognizer"),
    "speechbrain_xser.reproduction.report_files",
    *("speechbrain_xser.training.command", "speechbrain_xser.training.run", "tests.timeline.stub"),
)


class Child(NamedTuple):
    """A process that was forked, and who waits for its end."""

    pid: int
    descriptor: int  # readable when it has ended
    client: socket.socket
    place: Path  # where its number is told


class Command(NamedTuple):
    """What a client asked for."""

    pid: int  # of the client
    words: list[str]
    folder: str
    environment: dict[str, str]


def main(folder: Path) -> Command | None:
    """Serves; in a forked process, returns the command that it is to run."""
    for name in PRELOADED:
        importlib.import_module(name)
    torch.set_num_threads(1)
    gc.freeze()
    with selectors.DefaultSelector() as selector, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        print("ready", flush=True)
        return _serve(folder, selector, listener)


def _serve(folder: Path, selector: selectors.BaseSelector, listener: socket.socket) -> Command | None:
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                if command := _start(folder, selector, listener):
                    return command
            elif isinstance(key.data, Child):
                _tend(selector, key.data, key.fileobj)
            else:
                _stop(selector)
                return None


def _start(folder: Path, selector: selectors.BaseSelector, listener: socket.socket) -> Command | None:
    """Forks; the command in the child, None in the server."""
    client, _ = listener.accept()
    length, streams, _, _ = socket.recv_fds(client, 8, 3)
    command = Command(**json.loads(client.recv(int.from_bytes(length), socket.MSG_WAITALL)))
    if pid := os.fork():
        place = folder / str(command.pid)
        place.symlink_to(str(pid))  # there as a whole or not at all
        for stream in streams:
            os.close(stream)
        child = Child(pid, os.pidfd_open(pid), client, place)
        for source in (child.descriptor, client):
            selector.register(source, selectors.EVENT_READ, child)
        return None
    for key in selector.get_map().values():
        if isinstance(key.fileobj, socket.socket):
            key.fileobj.close()
    client.close()
    os.setpgid(0, 0)
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    return command


def _tend(selector: selectors.BaseSelector, child: Child, source: int | socket.socket) -> None:
    """Tells the client of the process's end, or the process of a signal or of the client's end."""
    if child.client.fileno() < 0:
        return  # both ended at once
    if source == child.descriptor:
        _, status = os.waitpid(child.pid, 0)
        selector.unregister(child.descriptor)
        os.close(child.descriptor)
        child.place.unlink()
        with contextlib.suppress(KeyError):
            selector.unregister(child.client)
        with contextlib.suppress(OSError):
            child.client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        child.client.close()
    elif numbers := child.client.recv(64):
        for number in numbers:
            os.kill(child.pid, number)
    else:
        selector.unregister(child.client)
        os.kill(child.pid, signal.SIGKILL)


def _stop(selector: selectors.BaseSelector) -> None:
    for child in {key.data for key in selector.get_map().values() if isinstance(key.data, Child)}:
        os.kill(child.pid, signal.SIGKILL)


def become(command: Command) -> None:
    """Makes a forked process what a fresh interpreter would be."""
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environment)
    tempfile.tempdir = None  # a place that Python looks up in the environment, once
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    sys.path[1:1] = folders
    if any(Path(folder, PACKAGE).is_dir() and Path(folder).resolve() != ROOT for folder in folders):
        forget_package()  # there is another copy of it
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    np.random.seed()  # `random` is seeded anew by the fork, torch begins with its default seed
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__ = _streams()


def forget_package() -> None:
    """The package is imported anew where it is asked for; libraries stay."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def _streams() -> list[io.TextIOWrapper]:
    """Standard input, output and error as an interpreter opens them in a locale of UTF-8."""
    at_once = bool(os.environ.get("PYTHONUNBUFFERED")) or os.isatty(1)
    return [
        open(0, closefd=False, encoding="utf-8"),
        open(1, "w", 1 if at_once else -1, "utf-8", closefd=False),
        open(2, "w", 1, "utf-8", "backslashreplace", closefd=False),
    ]


def run(words: list[str]) -> None:
    """What the interpreter does with its arguments."""
    kind, *rest = words
    if kind == "-m":
        sys.argv, sys.path[0] = rest, os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = words, str(Path(kind).resolve().parent)
        runpy.run_path(kind, run_name="__main__")


def end(words: list[str]) -> None:
    """Runs and ends with the interpreter's exit codes, without taking apart what was imported."""
    code = 0
    try:
        run(words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1 if isinstance(error, Exception) else -signal.SIGINT
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if found := main(place):
        sys.executable = str(place / "python")
        become(found)
        end(found.words)
    os._exit(0)
