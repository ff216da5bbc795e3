"""``xser explain --out`` and ``xser annotate --out`` as a user runs them: by processes of this machine, and on Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from pyarrow import parquet

from speechbrain_xser.annotator.annotation import annotate
from speechbrain_xser.batch.batch_run import BatchCounts
from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.explaining.clips import SourceClip, explain_clips
from tests.cli.spoken import RATE, sentence, write_speech

COMMAND = [sys.executable, "-m", "speechbrain_xser.cli"]
OWN = ("wav", "duration", "emphasis")  # told otherwise in rows
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ADDRESS": "local"}


def invoke(*arguments):
    return CliRunner().invoke(xser, list(map(str, arguments)))


def ran(*arguments) -> subprocess.CompletedProcess:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory) -> Path:
    """Thirty short clips, one of them cut; in tens, they are three shards for two actors."""
    folder = tmp_path_factory.mktemp("thirty")
    for number in range(10):
        samples = sentence(number)
        for part in range(0, 9, 3):
            cut = samples[: min(len(samples), RATE * (10 + part) // 10)]
            soundfile.write(folder / f"{number}-{part}.flac", cut.astype(np.float32), RATE)
    (folder / "5-6.flac").write_bytes((folder / "5-6.flac").read_bytes()[:3000])
    return folder


@pytest.mark.slow
def test_thirty_clips_on_ray_are_explained_as_by_one_process(thirty, tmp_path, packaged):
    pytest.importorskip("ray")
    out = tmp_path / "rows.parquet"
    options = ("--model", "tiny", "--device", "cpu", "--jobs", 2, "--clips-per-shard", 10)
    done = ran("explain", thirty, "--out", out, "--ray", *options)
    assert done.returncode == 0, done.stderr
    assert "30 clips, 1 of them not readable" in done.stderr and "clips in " in done.stderr
    rows = parquet.read_table(out).to_pylist()
    paths = sorted(thirty.glob("*.flac"))
    told = explain_clips(packaged, (SourceClip(str(path), str(path)) for path in paths), batch_size=1)
    assert [row["path"] for row in rows] == list(map(str, paths))
    for row, one in zip(rows, told, strict=True):
        assert row["error"] == one.fault
        if one.explanation is not None:
            assert (row["paragraph"], row["emotion"]) == (one.explanation.paragraph, one.explanation.emotion)
            assert dict(row["probabilities"]) == pytest.approx(one.explanation.probabilities, abs=1e-5)
            assert row["speech"] == one.explanation.speech
    assert sum(row["error"] is not None for row in rows) == 1


@pytest.mark.slow
def test_annotated_rows_are_those_of_the_annotated_manifest(tmp_path):
    for number in range(4):
        write_speech(tmp_path / f"{number}.wav", number)
    (tmp_path / "3.wav").write_bytes((tmp_path / "3.wav").read_bytes()[:400])
    rows = [Utterance(str(number), f"{number}.wav", transcript="so be it", gender="male") for number in range(4)]
    write_manifest(tmp_path / "all.jsonl", rows)
    done = ran("annotate", tmp_path / "all.jsonl", "--out", tmp_path / "rows.parquet", "--jobs", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"shards": 1, "before": 0, "clips": 4, "errors": 1, "left_out": 0}
    annotate({"all": str(tmp_path / "all.jsonl")}, tmp_path / "measures.sqlite", cutoffs="reference", wording="varied")
    found = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    for row, expected in zip(found, read_manifest(tmp_path / "all.jsonl"), strict=True):
        same = {name: value for name, value in expected._asdict().items() if name not in OWN}
        assert same.items() <= row.items()
        assert tuple(row["emphasis"] or ()) == (expected.emphasis or ())
    assert [row["error"] is None for row in found] == [True, True, True, False]
    assert found[0]["measures"]["rate_from"] == "transcript" and len(found[0]["measures"]["prominences"]) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("explain", "a.wav", "--out", "rows"), "rows go into a folder of Parquet files. Give it a name as"),
        (("explain", "a.wav", "--ray"), "--ray, --shard and --jobs need --out"),
        (("explain", "-", "--out", "rows.parquet"), "Standard input cannot be read again"),
        (("explain", "a.wav", "--out", "rows.parquet", "--evidence", "--html", "a.html"), "--evidence, --html cannot"),
        (("explain", "a.wav", "--out", "rows.parquet", "--json", "--batch-size", 8), "--json, --batch-size (say"),
        (("explain", "a.wav", "--out", "rows.parquet", "--shard", "0/3"), "'0/3' is no share. Expected INDEX/COUNT"),
        (("explain", "a.wav", "--out", "rows.parquet", "--shard", "4/3"), "'4/3' is no share"),
        (("explain", "nowhere.tar", "--out", "rows.parquet"), "nowhere.tar: No such file or directory"),
        (("annotate", "a.wav", "--out", "rows", "--ray"), "rows go into a folder of Parquet files"),
        (("annotate", "a.wav", "--out", "rows.parquet", "--cutoffs", "corpus"), "--cutoffs corpus cannot be used"),
        (("annotate", "nowhere", "--out", "annotated"), "'nowhere' does not exist"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line_and_leaves_nothing(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert done.exit_code == 2 and told in " ".join(done.output.split())
    assert not (tmp_path / "rows").exists() and not (tmp_path / "rows.parquet").exists()


@pytest.mark.parametrize(
    ("gpus", "options", "jobs"), [(3, [], 3), (0, [], 5), (3, ["--device", "cpu"], 5), (3, ["--ray"], 0)]
)
def test_without_a_number_a_model_works_on_each_gpu_or_core(tmp_path, monkeypatch, gpus, options, jobs):
    """Of this machine; 0 lets Ray count those of the cluster."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    monkeypatch.setattr("speechbrain_xser.utils.devices.usable_cores", lambda: 5)
    given = []

    def run(*arguments):
        given.append(arguments)
        return BatchCounts()

    monkeypatch.setattr("speechbrain_xser.batch.batch_run.run_batch", run)
    monkeypatch.chdir(tmp_path)
    done = invoke("explain", "a.wav", "--out", "rows.parquet", "--model", "tiny", "--data-folder", "data", *options)
    assert done.exit_code == 0, done.output
    assert given[0][4] == jobs and given[0][6] == str(tmp_path / "data")
