"""A table from its command: trained, killed at any moment, started again; the report is the same to the byte."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from speechbrain_xser.testing import tiny_manifest
from tests.warmed import PATIENCE, Process, warmed_python

pytestmark = pytest.mark.training

PICTURES = {"confusions.png", "layers.png"}


def command(python: str, folder: Path, out: Path) -> list[str]:
    manifests = {split: folder / f"{split}.jsonl" for split in ("train", "valid", "test")}
    values = [f"{split}_manifest={path}" for split, path in manifests.items()]
    values += ["prepare=null", "precision=fp32", "search_limit=2"]
    values += ["training={steps_per_turn: null, valid_search_every: 1}"]
    return [
        *(python, "-m", "speechbrain_xser.cli", "reproduce", "--table", "1", "--corpus", "CREMA-D"),
        *("--data-folder", str(folder), "--out", str(out), "--jobs", "2", "--without", "SPICE"),
        *[word for value in values for word in ("--set", value)],
    ]


def finished(words: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)


def report_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "report").iterdir()}


@pytest.fixture
def other():
    """A second interpreter with another hash seed."""
    with warmed_python() as path:
        yield path


def test_a_table_killed_at_any_moment_ends_like_an_uninterrupted_one(tmp_path, python, other):
    for split, clips in (("train", 16), ("valid", 4), ("test", 6)):
        tiny_manifest(tmp_path, clips, seed=clips, split=split)
    whole = finished(command(python, tmp_path, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr[-2000:]
    times = [json.loads(line)["seconds"] for line in (tmp_path / "whole" / "times.jsonl").read_text().splitlines()]

    moment = random.SystemRandom().uniform(2, sum(times) / 2)
    killed = Process(command(other, tmp_path, tmp_path / "killed"), stderr=subprocess.DEVNULL)
    time.sleep(moment)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    again = finished(command(other, tmp_path, tmp_path / "killed"))
    assert again.returncode == 0, f"killed after {moment:.1f} s: {again.stderr[-2000:]}"

    found, expected = report_of(tmp_path / "killed"), report_of(tmp_path / "whole")
    sheets = {f"{name}.csv" for name in ("table1", "probes", "claims", "carriers")}
    assert PICTURES | sheets | {"report.md", "report.html"} <= set(found)
    assert found == expected, f"killed after {moment:.1f} s"
