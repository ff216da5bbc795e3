"""A conversation of real readers, from its file to who speaks when, with nothing replaced."""

import json
import random

import pytest
import soundfile
from click.testing import CliRunner
from Speakers.conversations import clips_to_test, spoken
from Speakers.diarization_error import Segment, diarization_errors

from speechbrain_xser.cli.main import xser
from tests.annotator.real_clips import needs_real_clips
from tests.genuine import DATA

READERS = ("librispeech-1688", "librispeech-1998", "librispeech-2414")  # two women and a man
ORDER = (0, 1, 0, 2, 1, 2)


@pytest.fixture(scope="module")
def conversation(genuine_voices):
    """Six turns of three readers."""
    clips = clips_to_test(DATA)["LibriSpeech"]
    own = [iter([clip for clip in clips if clip.speaker == reader]) for reader in READERS]
    return spoken("readers", [next(own[place]) for place in ORDER], random.Random(0))


def rttm_segments(text: str) -> list[Segment]:
    """Start, length and name are the fourth, fifth and eighth field."""
    rows = [line.split() for line in text.splitlines()]
    return [Segment(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]


@needs_real_clips
def test_three_readers_are_told_apart_in_every_output(conversation, tmp_path, caplog):
    path, outs = tmp_path / "talk.flac", [tmp_path / "talk.rttm", tmp_path / "talk.json", tmp_path / "talk.html"]
    soundfile.write(path, conversation.wav.numpy(), 16000)
    options = ["--speakers", "--model", "tiny", "--device", "cpu", "--json"]
    done = CliRunner().invoke(xser, ["timeline", str(path), *(f"--out={out}" for out in outs), *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["speakers"] == 3
    errors = diarization_errors(conversation.segments, rttm_segments(outs[0].read_text()), collar=0.25)
    assert errors.speech > 25 and errors.confused == 0 and errors.rate < 0.1
    moments = json.loads(outs[1].read_text())["moments"]
    assert [moment["speaker"].replace(" ", "_") for moment in moments] == [
        segment.speaker for segment in rttm_segments(outs[0].read_text())
    ]
    assert outs[2].read_text().count('class="xser-lane"') == 3
