"""Runs the commands of a plan, several at once; finished runs are not repeated, and interrupted ones continue.

A run is finished once its training has written the model folder, which is its last step and atomic, or its evaluation
the answers. Runs end with the reproduction: it stops them when interrupted, and the kernel does when it is killed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from joblib import cpu_count
from tqdm import tqdm

from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.reproduction.plan import Plan, Run, command, is_evaluation, phases, preparation
from speechbrain_xser.utils.commandline import claimed
from speechbrain_xser.utils.files import written_beside

LOG = "run.log"
NOTE = "reproduction.json"  # the settings that all runs of a folder share
SHARED = ("corpus", "scale", "setting", "data_folder", "pretraining_folder")
TIMES = "times.jsonl"
ANSWERS = "test_answers.jsonl"
POLL_SECONDS = 0.5
ERROR_STREAM = 2  # the descriptor; standard output is for the table
PARENT_DIED = 1  # prctl's PR_SET_PDEATHSIG
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Started(NamedTuple):
    """A run in progress."""

    run: Run
    process: subprocess.Popen
    slot: int  # its share of the cores and GPUs
    since: float


def run_plan(plan: Plan, jobs: int = 1) -> None:
    """Runs everything in a plan that is not finished yet, ``jobs`` runs at once, which share cores and GPUs evenly.

    Raises
    ------
    ReproductionError
        If the folder has runs with other settings, there are more jobs than GPUs, or a run fails; it names its log and
        its last line. The other runs in progress are stopped, and continue next time.
    """
    check_note(plan)
    devices = len(visible_devices())
    if 0 < devices < jobs:
        raise ReproductionError(f"{jobs} jobs for {devices} GPUs: give --jobs {devices} at most.")
    if plan.setting == "zero-shot":
        _prepare(plan)
    for runs in phases(plan):
        waiting = [run for run in runs if not is_finished(plan, run)]
        with tqdm(total=len(runs), initial=len(runs) - len(waiting), desc="runs", unit="run") as bar:
            _run_all(plan, waiting, jobs, bar.update)


def is_finished(plan: Plan, run: Run) -> bool:
    """Whether a run has nothing left to do."""
    return (plan.out / run.name / (ANSWERS if is_evaluation(plan, run) else "model/metadata.json")).is_file()


def visible_devices() -> list[str]:
    """The GPUs that this process may use, named as in ``CUDA_VISIBLE_DEVICES``."""
    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:count] or [str(number) for number in range(count)]


def check_note(plan: Plan) -> None:
    """Records the settings that all runs of a folder share, or refuses a folder with other settings.

    Example
    -------
    >>> place = getfixture("tmp_path")
    >>> plan = Plan("CREMA-D", "tiny", "trained", "data", place, place, ("two_stage",), (1,))
    >>> check_note(plan)
    >>> check_note(plan._replace(seeds=(1, 2)))  # more runs with the same settings
    >>> check_note(plan._replace(scale="paper"))
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.ReproductionError: ... contains runs with other values: scale 'tiny', not 'paper'. ...
    """
    shared = {name: getattr(plan, name) for name in SHARED}
    shared |= {name: dict(getattr(plan, name)) for name in ("values", "pretraining_values")}
    path = plan.out / NOTE
    if path.is_file():
        noted = _read_note(path)
        differing = [
            f"{key} {noted.get(key)!r}, not {value!r}" for key, value in shared.items() if noted.get(key) != value
        ]
        if differing:
            raise ReproductionError(
                f"{plan.out} contains runs with other values: {'; '.join(differing)}. Choose another folder with --out."
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as file:
        json.dump(shared, file, indent=1)


def _read_note(path: Path) -> dict:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ReproductionError(f"{path} cannot be read ({error}): choose another folder with --out.") from error


def _prepare(plan: Plan) -> None:
    """Writes the manifests of a corpus that is not trained on; repeating it is quick."""
    if "test_manifest" in plan.values:
        return
    call = preparation(plan)
    if subprocess.run([sys.executable, *call], stdin=subprocess.DEVNULL, stdout=ERROR_STREAM).returncode != 0:
        raise ReproductionError(f"{plan.corpus} could not be prepared: {' '.join(call)}")


def _run_all(plan: Plan, waiting: list[Run], jobs: int, done: Callable[[int], object]) -> None:
    """Keeps ``jobs`` runs going until none is left."""
    waiting, started = list(waiting), []
    try:
        while waiting or started:
            while waiting and len(started) < jobs:
                free = min(set(range(jobs)) - {other.slot for other in started})
                started.append(_start(plan, waiting.pop(0), free, jobs))
            time.sleep(POLL_SECONDS)
            for ended in [one for one in started if one.process.poll() is not None]:
                started.remove(ended)
                _finish(plan, ended)
                done(1)
    finally:
        _stop(started)


def _start(plan: Plan, run: Run, slot: int, jobs: int) -> Started:
    folder = plan.out / run.name
    with claimed(folder, wait=True):
        pass  # a run of a killed reproduction may still be saving
    devices = visible_devices()[slot::jobs]
    if is_evaluation(plan, run):
        devices = devices[:1]  # a single process
    threads = max(1, cpu_count() // jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    options = []
    if devices:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    elif not is_evaluation(plan, run):
        options = ["--device=cpu"]
    with open(folder / LOG, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command(plan, run, max(1, len(devices))), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=None if LIBC is None else _end_with_parent,
        )
    return Started(run, process, slot, time.time())


def _end_with_parent() -> None:
    """In the child: makes the kernel send SIGTERM, on which a training saves and ends, when the parent dies."""
    LIBC.prctl(PARENT_DIED, signal.SIGTERM)


def _finish(plan: Plan, ended: Started) -> None:
    """Records how long a run took, or raises an error with its last line."""
    if ended.process.returncode != 0:
        log = plan.out / ended.run.name / LOG
        raise ReproductionError(f"{ended.run.name} ended with {ended.process.returncode}: {_last_words(log)} ({log})")
    line = {"run": ended.run.name, "seconds": round(time.time() - ended.since, 1)}
    path = plan.out / TIMES
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    with written_beside(path) as file:
        file.write(f"{before}{json.dumps(line)}\n")


def _last_words(log: Path) -> str:
    """The last line of a log that is not a progress bar."""
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").split("\n")
    told = [line.strip() for line in lines if line.strip() and "it/s" not in line]
    return told[-1] if told else "it said nothing"


def _stop(started: list[Started]) -> None:
    """Stops runs in progress; a training saves first."""
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
    for one in started:
        one.process.wait()
