"""``xser check`` as a user runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser


@pytest.fixture
def manifest(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).uniform(-0.1, 0.1, 16000), 16000)
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"id": "a", "wav": "a.wav", "transcript": "hello"}), encoding="utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(xser, list(map(str, arguments)))


def test_a_healthy_manifest_ends_with_0(manifest):
    done = run("check", manifest, "--workers", 1)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "1 clips, 0.00 hours. Nothing serious.")


def test_a_missing_clip_ends_with_1_and_is_named(manifest):
    (manifest.parent / "a.wav").unlink()
    done = run("check", manifest, "--workers", 1)
    assert done.exit_code == 1
    assert "missing: a: " in done.output and "a.wav: no such file" in done.output


def test_json_is_for_machines(manifest):
    done = run("check", manifest, "--workers", 1, "--json")
    assert json.loads(done.stdout)["healthy"] is True


@pytest.mark.slow
def test_a_manifest_that_is_not_text_is_refused_in_one_line(manifest):
    manifest.write_bytes(b"\xff\xfe\x00")
    done = subprocess.run(
        [sys.executable, "-m", "speechbrain_xser.cli", "check", str(manifest)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: ") and "byte order mark" in done.stderr
    assert "Traceback" not in done.stderr
