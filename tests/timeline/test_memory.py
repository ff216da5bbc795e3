"""Memory does not grow with the recording: measured in separate processes, with the real detector."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torchaudio.functional import resample

from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking

ROOT = Path(__file__).parents[2]
BOUND_MEGABYTES = 12  # three minutes more of samples would be 32 at 44.1 kHz, 12 at 16 kHz; one megabyte was measured


@pytest.fixture(scope="module")
def sentence():
    """Three seconds of a synthetic voice at 44.1 kHz, and a second of silence."""
    espeak = Espeak()
    wave = torch.from_numpy(np.array(espeak.say("The minister signed the tax on Friday.", Speaking("en-us+m3"))))
    return np.pad(resample(wave, espeak.sample_rate, 44100).numpy(), (0, 44100))


def peak_megabytes(sentence, minutes, folder):
    """Peak memory of a run over the given minutes."""
    path = folder / f"{minutes}.flac"
    with soundfile.SoundFile(path, "w", 44100, 1) as file:
        while file.frames < minutes * 60 * 44100:
            file.write(sentence)
    command = [sys.executable, "-m", "tests.timeline.run_stub", str(path), str(folder / f"{minutes}.json")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.rsplit(maxsplit=1)[-1]) / 1024


@pytest.mark.slow
def test_four_minutes_take_no_more_memory_than_one(sentence, tmp_path):
    assert peak_megabytes(sentence, 4, tmp_path) - peak_megabytes(sentence, 1, tmp_path) < BOUND_MEGABYTES
