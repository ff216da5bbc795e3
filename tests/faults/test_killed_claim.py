"""The claim of a folder ends with the run that holds it, however that ends."""

import multiprocessing
import os
import time

import pytest

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.utils.commandline import claimed


def hold(folder, ready, leave):
    with claimed(folder):
        ready.set()
        leave.wait(60)


def test_a_second_run_in_the_same_folder_is_refused_until_the_first_has_gone(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "run", ready, leave))
    first.start()
    assert ready.wait(60)

    with pytest.raises(TrainingError, match="Another run is writing to .*run"), claimed(tmp_path / "run"):
        pass
    first.kill()
    first.join()
    with claimed(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def claim_and_fork(folder, ready, leave):
    """A run with a worker that outlives it, as a loader's does for a while."""
    with claimed(folder):
        if os.fork() == 0:
            ready.set()
            leave.wait(300)
            os._exit(0)
        time.sleep(300)  # an event would wait for a killed process to wake


def test_a_killed_run_loses_its_claim_although_its_workers_still_run(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    run = context.Process(target=claim_and_fork, args=(tmp_path / "run", ready, leave))
    run.start()
    assert ready.wait(300)
    run.kill()
    run.join()
    try:
        with claimed(tmp_path / "run"):
            assert not leave.is_set()
    finally:
        leave.set()
