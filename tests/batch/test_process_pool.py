"""Processes that work on shards: one that dies is replaced, and none outlives the program that started it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.process_pool import work_in_processes
from tests.batch.light_job import LightJob

ROOT = Path(__file__).parents[2]
SHARDS = [InputShard(number, "sounds", (f"{number}.wav",)) for number in range(6)]


def found(folder: Path, kind: str) -> set[str]:
    return {path.name for path in folder.glob(f"{kind}-*")}


@pytest.mark.slow
def test_a_shard_that_kills_its_workers_is_given_up_and_all_others_are_done(tmp_path):
    reports = {report.number: report for report in work_in_processes(LightJob(str(tmp_path), 2, deadly=2), SHARDS)}
    assert sorted(reports) == list(range(6))
    assert [number for number, report in reports.items() if report.fault] == [2]
    assert reports[2].fault.startswith("shard 2: its worker died 3 times (exit code -9)")
    assert "2.wav" in reports[2].fault
    assert found(tmp_path, "shard") == {f"shard-{number}" for number in (0, 1, 3, 4, 5)}
    assert len(found(tmp_path, "worker")) in (4, 5)  # the last was replaced if there was more to do


DRIVER = """
import sys
from tests.batch.test_process_pool import SHARDS, LightJob, work_in_processes
if __name__ == "__main__":
    list(work_in_processes(LightJob(sys.argv[1], 2, endless=3), SHARDS))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_driver(tmp_path, monkeypatch, number):
    (tmp_path / "driver.py").write_text(DRIVER)
    (temporary := tmp_path / "temporary").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    command = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path)]
    driver = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    ended = time.monotonic() + 120
    while len(found(tmp_path, "shard")) < 5 and time.monotonic() < ended:
        time.sleep(0.05)
    workers = [psutil.Process(int(name.rpartition("-")[2])) for name in found(tmp_path, "worker") if is_alive(name)]
    assert len(list(temporary.glob("**/shard.tar"))) >= 5
    driver.send_signal(number)
    driver.communicate(timeout=60)
    assert workers and not psutil.wait_procs(workers, timeout=60)[1]
    assert number == signal.SIGKILL or not list(temporary.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert len(list(work_in_processes(LightJob(str(tmp_path)), SHARDS[:1]))) == 1
    assert not list(temporary.iterdir())  # a killed driver's folder goes with the next one


def is_alive(name: str) -> bool:
    """The worker that found nothing more to do has ended."""
    return psutil.pid_exists(int(name.rpartition("-")[2]))
