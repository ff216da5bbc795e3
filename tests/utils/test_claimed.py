"""A folder belongs to one run at a time, however that run ends."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed  # noqa: F401 (which a claim asks where it is loaded)

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.utils.commandline import claimed, one_line_errors


def test_two_threads_of_one_process_do_not_share_a_claim(tmp_path):
    with claimed(tmp_path / "run"), ThreadPoolExecutor() as threads:
        with pytest.raises(TrainingError, match="Another run is writing"):
            threads.submit(claimed(tmp_path / "run").__enter__).result()


def test_a_run_that_waits_gets_the_folder_when_the_other_leaves(tmp_path):
    with ThreadPoolExecutor() as threads:
        with claimed(tmp_path / "run"):
            waiting = threads.submit(claimed(tmp_path / "run", wait=True).__enter__)
            assert not waiting.done()
        waiting.result(timeout=300)


def test_a_rank_that_is_not_the_first_claims_nothing(tmp_path, monkeypatch):
    with claimed(tmp_path / "run"):
        monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
        monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
        with claimed(tmp_path / "run"):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EROFS])
def test_a_disk_without_locks_is_refused_in_one_line_with_the_folder(tmp_path, monkeypatch, capsys, number):
    """Fails like a network file system without a lock service."""
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(SystemExit), one_line_errors(), claimed(tmp_path / "run"):
        pass
    [line] = capsys.readouterr().err.splitlines()
    assert f"error: {tmp_path / 'run'} cannot be locked" in line and os.strerror(number) in line
