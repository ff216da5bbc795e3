"""A training on two ranks whose ranks are killed from outside, at given steps."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.model_folder.locate import CHECKPOINTS
from tests.warmed import PATIENCE

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "tests" / "training" / "tiny.yaml"


class Kill(NamedTuple):
    """Which rank is killed, once a checkpoint of a step is there."""

    rank: int
    step: int


def command(python: str, data: dict, output: Path, *words: str) -> list[str]:
    """A training of the tiny recipe."""
    values = {**data, "output_folder": output, "device": "cpu"}
    options = [f"--{key}={value}" for key, value in values.items()]
    return [python, "-m", "speechbrain_xser.cli", "train", str(RECIPE), *options, "--noprogressbar", *words]


def train(python: str, data: dict, output: Path, kills: list[Kill], *words: str) -> list[tuple[int, str]]:
    """Trains to the end; the rank that was killed each time, and the stage that it was in."""
    words = ("--ranks", "2", "--restarts", str(len(kills)), *words)
    with started(command(python, data, output, *words)) as process:
        met = [killed(process, output, kill) for kill in kills]
        assert process.wait(PATIENCE) == 0
    return met


@contextlib.contextmanager
def started(words: list[str]) -> Iterator[subprocess.Popen]:
    """A process that ends with the test."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=ROOT, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


def killed(process: subprocess.Popen, output: Path, kill: Kill) -> tuple[int, str]:
    """Waits for the step, and kills."""
    begun = time.monotonic()
    while (state := newest(output)) is None or state["step"] < kill.step:
        assert process.poll() is None and time.monotonic() - begun < PATIENCE, f"no step {kill.step}"
        time.sleep(0.01)
    os.kill(pid_of(kill.rank, output), signal.SIGKILL)
    return kill.rank, state["state"]["stage"]


def newest(output: Path) -> dict | None:
    """What the newest checkpoint says; ``None`` while there is none."""
    found = sorted((output / CHECKPOINTS).glob("step-*/state.json"))
    try:
        return json.loads(found[-1].read_text()) if found else None
    except FileNotFoundError:  # it was removed for a newer one
        return newest(output)


def pid_of(rank: int, output: Path) -> int:
    """The process of a rank that writes to a folder."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words, environment = ((place / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:  # it has ended
            continue
        if os.fsencode(output) in words and f"\0RANK={rank}\0".encode() in b"\0" + environment:
            return int(place.name)
    raise ProcessLookupError(f"no rank {rank} of {output}")
