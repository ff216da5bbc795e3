"""Loads hostile folders, each in a process of its own that is forked from one that has imported everything.

``python -m tests.faults.hostile.loading PLACE [KIND ...]`` writes one JSON line for each ordinary folder, then one for
each kind: how it ended, the CPU seconds that it took, and the most memory that it had, in MB.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

import torch

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.errors import XserError
from tests.faults.hostile.corpus import KINDS, hostile_folder, ordinary_folders

CPU_SECONDS = 20  # of a process, before the system ends it: an ordinary folder takes about one
PATIENCE = 240  # seconds of the clock for one that only waits: the machine may be busy
ROOM = 3 << 30  # bytes of addresses beyond those that the imports have
NOUNS = ("backbone", "file", "settings", "tokenizer", "weight", "yaml")


def import_kinds() -> None:
    """Puts all kinds into ``KINDS``."""
    for noun in NOUNS:
        import_module(f"tests.faults.hostile.{noun}_kinds")


def main(place: Path, names: list[str]) -> None:
    """Loads the ordinary folders and the named kinds, or all of them."""
    torch.set_num_threads(1)
    import_kinds()
    ordinary = ordinary_folders(place)
    for name, folder in ordinary.items():
        tell(name, folder)
    for name in names or KINDS:
        workshop = place / "workshop"
        workshop.mkdir()
        tell(name, hostile_folder(name, ordinary, workshop))
        shutil.rmtree(workshop)


def tell(name: str, folder: Path) -> None:
    """Loads a folder in a forked process, and prints how that ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        limit()
        os.write(writer, json.dumps(ending(folder)).encode()[:60000])
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read()
    _, status, used = os.wait4(child, 0)
    how = json.loads(told) if told else {"ended": f"signal {os.waitstatus_to_exitcode(status)}", "message": ""}
    seconds, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(json.dumps({"name": name, **how, "seconds": round(seconds, 2), "megabytes": round(megabytes)}), flush=True)


def limit() -> None:
    """The system ends this process where it takes too long, and refuses it memory beyond the room."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ROOM, mapped + ROOM))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def ending(folder: Path) -> dict[str, str]:
    """How loading a folder and a first answer end: "answered", or the name of the error, with its message."""
    before = time.monotonic()
    try:
        recognizer = ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"}, speech_check=False)
        loaded = time.monotonic() - before
        noise = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
        json.dumps(recognizer.explain_batch(noise), allow_nan=False)
    except BaseException as error:
        typed = isinstance(error, XserError)
        return {"ended": type(error).__name__, "typed": typed, "message": str(error)[:2000]}
    return {"ended": "answered", "typed": True, "message": f"loaded in {loaded:.2f} s"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
