"""Evaluation of a folder on a manifest: every readable clip counts, and every other is named."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import TrainingError
from speechbrain_xser.inference.evaluation import explain_manifest
from speechbrain_xser.testing import tiny_manifest

RECOGNIZER = SimpleNamespace(
    explain_batches=lambda batches, **_: ([f"row of {len(wavs)}"] * len(wavs) for wavs, _ in batches),
    hparams=SimpleNamespace(max_seconds=30.0),
    device="cpu",
)


def test_an_unreadable_clip_is_named_and_left_out(tmp_path, caplog):
    manifest = tiny_manifest(tmp_path, clips=3)
    (tmp_path / "train" / "001.wav").unlink()
    utterances, explanations = explain_manifest(RECOGNIZER, manifest, batch_size=1)
    assert sorted(utterance.id for utterance in utterances) == ["train-000", "train-002"]
    assert explanations == ["row of 1"] * 2
    assert "skipped utterance 'train-001'" in caplog.text


@pytest.mark.parametrize("stated", [None, 1.0])
def test_a_clip_that_is_longer_than_the_model_takes_is_named_and_left_out(tmp_path, caplog, stated):
    manifest = tiny_manifest(tmp_path, clips=3)
    soundfile.write(tmp_path / "train" / "001.wav", np.zeros(40 * 16000), 16000)
    lines = [json.loads(line) for line in Path(manifest).read_text().splitlines()]
    Path(manifest).write_text("".join(json.dumps({**line, "duration": stated}) + "\n" for line in lines))
    utterances, _ = explain_manifest(RECOGNIZER, manifest)
    assert sorted(utterance.id for utterance in utterances) == ["train-000", "train-002"]
    assert "001.wav: 40.00 s long, expected at most 30 s" in caplog.text and "train-001" in caplog.text


def test_more_unreadable_clips_than_allowed_stop_it(tmp_path):
    manifest = tiny_manifest(tmp_path, clips=3)
    for name in ("000.wav", "001.wav"):
        (tmp_path / "train" / name).unlink()
    with pytest.raises(TrainingError, match="2 of 3 clips cannot be read"):
        explain_manifest(RECOGNIZER, manifest)


@pytest.fixture
def manifests(tmp_path, monkeypatch):
    """Two manifests of one clip each for the packaged model."""
    monkeypatch.chdir(tmp_path)
    return [tiny_manifest(tmp_path, clips=1, split=split) for split in ("valid", "test")]


@pytest.mark.slow
def test_each_manifest_is_a_column_and_every_answer_is_kept_for_score(manifests, tmp_path):
    done = CliRunner().invoke(xser, ["evaluate", *manifests, "--device", "cpu", "--answers", "answers.jsonl"])
    assert done.exit_code == 0 and done.stdout.split()[2:4] == ["valid", "test"]
    assert "This is the tiny demonstration model" in done.stderr
    rows = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["valid-000", "test-000"]
    scored = CliRunner().invoke(xser, ["score", "answers.jsonl"])
    assert scored.exit_code == 0 and "answers parsed" in scored.stdout


@pytest.mark.slow
def test_json_has_the_numbers_of_each_manifest(manifests):
    done = CliRunner().invoke(xser, ["evaluate", *manifests, "--device", "cpu", "--json"])
    told = json.loads(done.stdout)
    assert list(told) == ["valid", "test"] and told["valid"]["clips"] == 1 and 0 <= told["test"]["ua"] <= 100


def test_a_bad_second_manifest_is_found_before_the_first_is_explained(tmp_path, monkeypatch):
    (tmp_path / "broken.jsonl").write_text("{")
    monkeypatch.setattr("speechbrain_xser.cli.evaluate.load_recognizer", lambda *_: pytest.fail("the model was loaded"))
    done = CliRunner().invoke(xser, ["evaluate", tiny_manifest(tmp_path, clips=1), str(tmp_path / "broken.jsonl")])
    assert done.exit_code == 2 and "broken.jsonl" in done.stderr
