"""Hands many odd inputs to the package, in a process of its own: each ends in a result or in one of our errors.

Inputs are drawn from seeds, so that a number and a kind say which one it was. Nothing may come but a result or an
``XserError``: no other error, no end of the process, no line that a library prints itself, no more than ``MAX_SECONDS``
of work and ``MAX_MEGABYTES`` above what the process takes before.

python -m tests.faults.fuzzing MODULE FIRST COUNT: hands these inputs of a module's ``cases`` over, a line of JSON each.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from speechbrain_xser.errors import XserError

ROOT = Path(__file__).parents[2]
INPUTS = int(os.environ.get("XSER_FUZZ", "100"))  # of all kinds together
SHARES = {"sounds": 0.4, "manifests": 0.25, "answers": 0.2, "folders": 0.15}  # a new kind takes from these
MAX_SECONDS = 5.0  # of work of the processor
MAX_MEGABYTES = 1000
MOST_FAULTS = 20  # after which no more inputs are tried
PATIENCE = 300.0  # seconds without work or answer, on a machine that may be busy
BROKEN_NAME = "new\nline.wav"  # a name that is told as it is
Case = Callable[[], object]


def outcomes(kind: str) -> Counter:
    """How often each outcome came; an ``AssertionError`` with the inputs that had another."""
    count, found, faults = round(INPUTS * SHARES[kind]), Counter(), []
    while (number := found.total()) < count and len(faults) < MOST_FAULTS:
        answered, silent = _answers(kind, number, count - number)
        for outcome, fault in answered:
            found[outcome] += 1
            faults += [f"{kind} {found.total() - 1}: {fault}"] if fault else []
        if silent:
            found["ended"] += 1
            faults.append(f"{kind} {found.total() - 1}: {silent}")
    print(f"\n{kind}: {count} inputs, {dict(found.most_common())}")
    assert not faults, "\n".join(faults[:MOST_FAULTS])
    return found


def _answers(kind: str, first: int, count: int) -> tuple[list[tuple[str, str]], str]:
    """Outcomes and faults of inputs up to one for which no answer came, and why that was."""
    command = [sys.executable, "-m", "tests.faults.fuzzing", f"tests.faults.test_fuzz_{kind}", str(first), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as told:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": told}
        with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
            answered, silent = [], ""
            while len(answered) < count and not silent:
                line, silent = _line(process)
                if line:
                    answered.append(_read(line))
            process.kill()
        told.seek(0)
        said = told.read().decode(errors="replace").strip()
    if said and not silent:
        answered[-1] = (answered[-1][0], f"among inputs {first} to {first + count - 1}, printed: {said[-500:]}")
    return answered, silent and f"{silent} {said[-500:]}"


def _line(process: subprocess.Popen) -> tuple[bytes, str]:
    """The next line, or why none came."""
    watched, begun, worked = psutil.Process(process.pid), time.monotonic(), None
    while not select.select([process.stdout], [], [], 0.5)[0]:
        try:
            now = watched.cpu_times().user
        except psutil.Error:
            continue
        worked = now if worked is None else worked
        if now - worked > 4 * MAX_SECONDS or time.monotonic() - begun > PATIENCE:  # imports count the first time
            return b"", "hangs"
    line = process.stdout.readline()
    return line, "" if line else f"ended with {process.wait()}"


def _read(line: bytes) -> tuple[str, str]:
    told = json.loads(line)
    fault = told["fault"]
    if not fault and told["seconds"] > MAX_SECONDS:
        fault = f"{told['seconds']:.1f} s of work"
    if not fault and told["megabytes"] > MAX_MEGABYTES:
        fault = f"{told['megabytes']:.0f} MB"
    return told["outcome"], fault


def main(module: str, first: int, count: int) -> None:
    """Hands inputs over and prints their outcomes."""
    from speechbrain_xser.utils.commandline import as_a_command

    logging.disable(logging.CRITICAL)
    cases = importlib.import_module(module).cases
    with as_a_command(), tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            with tempfile.TemporaryDirectory(dir=folder) as own:
                case = cases(random.Random(f"{module} {number}"), Path(own))
                print(json.dumps(_handed(case)), flush=True)


def _handed(case: Case) -> dict:
    """What came of one input."""
    outcome, fault = "result", ""
    before, begun = peak_megabytes(reset=True), time.process_time()
    try:
        case()
    except XserError as error:
        outcome = type(error).__name__
        told = str(error).replace(BROKEN_NAME, "")
        fault = f"a message of several lines: {told!r}"[:500] if "\n" in told else ""
    except BaseException as error:
        outcome, fault = "untyped", f"{error!r}"[:500]
    return {
        "outcome": outcome,
        "fault": fault,
        "seconds": time.process_time() - begun,
        "megabytes": peak_megabytes() - before,
    }


def peak_megabytes(reset: bool = False) -> float:
    """The most memory since it was last asked to reset; Linux only, elsewhere 0."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
