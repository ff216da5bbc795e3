"""Hands many odd inputs to the package, in a process of its own: each ends in a result or in one of our errors.

Hypothesis chooses them: every random choice of a module's ``cases`` is its own, so an input with a fault is made as
small as it can be before it is told. Nothing may come but a result or an ``XserError``: no other error, no end of the
process, no line that a library prints itself, no more than ``MAX_SECONDS`` of work and ``MAX_MEGABYTES`` above what the
process takes before.

python -m tests.faults.fuzzing MODULE SEED COUNT: hands so many inputs of a module's ``cases`` over, a JSON line each.
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
from contextlib import suppress
from pathlib import Path

import psutil
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import randoms

from speechbrain_xser.errors import XserError

ROOT = Path(__file__).parents[2]
INPUTS = int(os.environ.get("XSER_FUZZ", "100"))  # of all kinds together
SHARES = {"sounds": 0.4, "manifests": 0.25, "answers": 0.2, "folders": 0.15}  # a new kind takes from these
MAX_SECONDS = 5.0  # of work of the processor
MAX_MEGABYTES = 1000
AT_ONCE = 500  # inputs of one process
MOST_FAULTS = 5  # after which no more inputs are tried
SHRINKING_SECONDS = 60.0
PATIENCE = 300.0  # seconds without work or answer, on a machine that may be busy
BROKEN_NAME = "new\nline.wav"  # a name that is told as it is
Case = Callable[[], object]


def outcomes(kind: str) -> Counter:
    """How often each outcome came; an ``AssertionError`` with the inputs that had another."""
    count, found, faults = round(INPUTS * SHARES[kind]), Counter(), []
    while (first := found.total()) < count and len(faults) < MOST_FAULTS:
        answered, silent = _answers(kind, first, min(count - first, AT_ONCE))
        found.update(outcome for outcome, _ in answered)
        faults += [f"{kind}, seed {first}: {fault}" for _, fault in answered if fault]
        if silent or not answered:
            found["ended"] += 1
            faults.append(f"{kind}, seed {first}, input {len(answered)}: {silent or 'none came'}")
    print(f"\n{kind}: {count} inputs, {dict(found.most_common())}")
    assert not faults, "\n".join(faults[:MOST_FAULTS])
    return found


def _answers(kind: str, first: int, count: int) -> tuple[list[tuple[str, str]], str]:
    """Outcomes and faults of inputs up to one with a fault, or one for which no answer came, and why that was."""
    command = [sys.executable, "-m", "tests.faults.fuzzing", f"tests.faults.test_fuzz_{kind}", str(first), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as told:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": told}
        with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
            answered, silent = [], ""
            while len(answered) < count and not silent:
                line, silent = _line(process)
                if not line:
                    break
                answered.append(_read(line))
                if answered[-1][1]:
                    answered[-1] = _smallest(process, answered[-1])
                    break
            process.kill()
        told.seek(0)
        said = told.read().decode(errors="replace").strip()
    if said and answered and not silent:
        answered[-1] = (answered[-1][0], f"among {len(answered)} inputs, printed: {said[-500:]}")
    return answered, f"{silent} {said[-500:]}" if silent or not answered else ""


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
    return line, "" if line or not process.wait() else f"ended with {process.returncode}"


def _smallest(process: subprocess.Popen, found: tuple[str, str]) -> tuple[str, str]:
    """The fault of the smallest input that has one, if it is found soon."""
    with suppress(subprocess.TimeoutExpired):
        *_, last = [b"", *process.communicate(timeout=SHRINKING_SECONDS)[0].splitlines()]
        return _read(last) if last else found
    return found


def _read(line: bytes) -> tuple[str, str]:
    told = json.loads(line)
    return told["outcome"], told["fault"]


def main(module: str, first: int, count: int) -> None:
    """Hands inputs over and prints their outcomes, up to one with a fault, which is told when it is small."""
    from speechbrain_xser.utils.commandline import as_a_command

    logging.disable(logging.CRITICAL)
    cases, faults = importlib.import_module(module).cases, []

    @seed(first)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(randoms(use_true_random=False))
    def hand_over(chosen: random.Random) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            told = _handed(cases(chosen, Path(own)))
        if not faults:
            print(json.dumps(told), flush=True)
        if told["fault"]:
            faults.append(told)
        assert not told["fault"]

    with as_a_command(), tempfile.TemporaryDirectory() as folder, suppress(AssertionError, Flaky):
        hand_over()
    if faults:  # the last one is that of the smallest input
        print(json.dumps(faults[-1]), flush=True)


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
    seconds, megabytes = time.process_time() - begun, peak_megabytes() - before
    if not fault and seconds > MAX_SECONDS:
        fault = f"{seconds:.1f} s of work"
    if not fault and megabytes > MAX_MEGABYTES:
        fault = f"{megabytes:.0f} MB"
    return {"outcome": outcome, "fault": fault}


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
