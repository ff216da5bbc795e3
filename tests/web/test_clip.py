"""An uploaded clip, and the message if it cannot be used."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speechbrain_xser.errors import AudioError
from speechbrain_xser.web.clip import held, read_upload
from tests.web.conftest import RATE, copied, written

UNUSABLE = {
    "empty.wav": (lambda path: path.write_bytes(b""), "empty.wav: 0 bytes"),
    "text.wav": (lambda path: path.write_text("not audio"), "text.wav: cannot be read as audio"),
    "cut.wav": (lambda path: _cut(written(path, np.full(RATE, 0.1))), "cut.wav: truncated"),
    "long.wav": (lambda path: written(path, np.full(RATE * 31, 0.1)), "long.wav is 31 s long; at most 30 s"),
    "film.mp4": (lambda path: path.write_bytes(bytes(99)), "film.mp4: cannot be read as audio"),
    "gone.wav": (lambda path: None, "gone.wav is no longer here"),
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-999])


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_upload_is_named_as_the_user_named_it_and_removed(recognizer, tmp_path, name):
    make, message = UNUSABLE[name]
    make(tmp_path / name)
    with pytest.raises(AudioError, match=message) as error, held(tmp_path / name) as file:
        read_upload(recognizer, file, max_seconds=30)
    assert str(tmp_path) not in str(error.value)
    assert not (tmp_path / name).exists()


def test_a_clip_is_in_memory_and_its_file_is_gone(recognizer, spoken, tmp_path):
    expected, upload = recognizer.load_audio(spoken[0]), copied(spoken[0], tmp_path)
    with held(upload) as file:
        clip = read_upload(recognizer, file, max_seconds=30)
    torch.testing.assert_close(clip.wav, expected)
    assert list(tmp_path.iterdir()) == []


def test_a_long_clip_is_refused_before_decoding(tmp_path):
    written(tmp_path / "a.wav", np.full(RATE * 3, 0.1))
    with pytest.raises(AudioError, match="3 s long; at most 2 s"):
        read_upload(None, tmp_path / "a.wav", max_seconds=2)  # there is nothing that could decode it


@pytest.mark.parametrize("peak", [0, 0.0009])
def test_a_silent_clip_is_accepted_and_reported_to_have_no_speech(recognizer, tmp_path, peak):
    clip = read_upload(recognizer, written(tmp_path / "a.wav", np.full(RATE, float(peak))), max_seconds=30)
    assert clip.seconds == 1 and not recognizer.explain_batch([clip.wav])[0].speech
