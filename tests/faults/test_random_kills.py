"""Killed at random instants, again and again: each run goes on, and ends with the files of one that nobody killed.

``make soak`` kills 50 times, a plain run of this file 10 times (``XSER_KILLS``). The instants are drawn with
``XSER_SEED``, which a failure tells.
"""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from speechbrain_xser.training.run import export
from tests.training.runner import START, make, tiny_data, tiny_hparams
from tests.warmed import PATIENCE

pytestmark = [pytest.mark.training, pytest.mark.soak]

KILLS = int(os.environ.get("XSER_KILLS", "10"))
SEED = int(os.environ.get("XSER_SEED", time.time_ns() % 10**6))


def run(hparams: dict) -> None:
    """A whole run: both stages with validations, a checkpoint at each step, and the trained folder."""
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # of the loader's workers
    brain, loaders = make(hparams)
    brain.fit(loaders.train, loaders.valid)
    export(hparams, brain, None)


def started(work, *arguments) -> multiprocessing.Process:
    process = START.Process(target=work, args=arguments)
    process.start()
    return process


def finished(process: multiprocessing.Process) -> int:
    process.join(PATIENCE)
    return process.exitcode


def files(output: Path) -> dict[str, bytes]:
    """All that a run leaves but its log; a temporary file would be among them."""
    paths = (path for folder in ("checkpoints", "model") for path in (output / folder).rglob("*"))
    return {str(path.relative_to(output)): path.read_bytes() for path in paths if path.is_file()}


def plain(found: dict[str, bytes]) -> dict[str, bytes]:
    """By the names of first generations: a step that was saved again has another one."""
    return {".".join(part for part in name.split(".") if not part.isdigit()): b for name, b in found.items()}


def test_a_run_that_is_killed_at_random_instants_ends_bit_equal(tmp_path):
    data, draw = tiny_data(tmp_path / "data"), random.Random(SEED)
    values = {"ckpt_interval_steps": 1}
    assert finished(started(int)) == 0  # what is imported once is not a part of a run's time
    begun = time.monotonic()
    assert finished(started(run, tiny_hparams(data, tmp_path / "whole", **values))) == 0
    seconds, expected = time.monotonic() - begun, files(tmp_path / "whole")
    assert len(expected) > 8

    moments, runs = [], 0
    while len(moments) < KILLS or runs == 0:
        hparams = tiny_hparams(data, tmp_path / f"run-{runs}", num_workers=runs % 2, **values)
        process, moment = started(run, hparams), draw.uniform(0, seconds)
        process.join(moment if len(moments) < KILLS else PATIENCE)
        process.kill()
        code = finished(process)
        told = f"seed {SEED}, run {runs}, killed after {[round(each, 2) for each in moments]} s"
        assert code in (0, -signal.SIGKILL), f"exit code {code}: {told}"
        if code:
            moments.append(moment)
        else:
            assert plain(files(tmp_path / f"run-{runs}")) == expected, told
            runs += 1
    print(f"{len(moments)} kills of {runs} runs of {seconds:.1f} s, seed {SEED}")
