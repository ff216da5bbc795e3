"""``xser shard`` as a user runs it."""

from pathlib import Path

import numpy as np
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest


def corpus(folder: Path) -> Path:
    soundfile.write(folder / "a.wav", np.random.default_rng(1).uniform(-0.1, 0.1, 16000), 16000)
    write_manifest(folder / "train.jsonl", [Utterance("a", "a.wav", transcript="hello")])
    return folder / "train.jsonl"


def run(*arguments):
    return CliRunner().invoke(xser, list(map(str, arguments)))


def test_a_manifest_is_packed_and_the_new_one_named(tmp_path):
    done = run("shard", corpus(tmp_path), "--out", tmp_path / "packed", "--workers", 1)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, str(tmp_path / "packed" / "train.jsonl"))
    assert "train         1   0.00" in done.output
    assert read_manifest(done.output.splitlines()[-1])[0].wav.startswith("{data_root}/train-000000.tar#")


def test_two_manifests_of_one_name_are_refused(tmp_path):
    (tmp_path / "fold").mkdir()
    first, second = corpus(tmp_path), corpus(tmp_path / "fold")
    done = run("shard", first, second, "--out", tmp_path / "packed")
    assert done.exit_code == 2 and "Two manifests have the same name" in done.output
    assert not (tmp_path / "packed").exists()


def test_the_old_name_is_told_the_new_one(tmp_path):
    done = run("pack", corpus(tmp_path), "--out", tmp_path / "packed")
    assert done.exit_code == 2 and "No such command 'pack'. Did you mean 'shard'?" in done.output


def test_shards_are_counted_or_timed_but_not_both(tmp_path):
    done = run("shard", corpus(tmp_path), "--out", tmp_path / "a", "--clips-per-shard", 1, "--seconds-per-shard", 1)
    assert done.exit_code == 2 and "not both" in done.output and not (tmp_path / "a").exists()
