"""The gender estimate: right when it answers, null when it cannot know."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch

import speechbrain_xser
from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.gender import gender_log_odds, gender_of, speaker_gender
from speechbrain_xser.data.audio import load_audio
from tests.genuine import DATA

pytestmark = pytest.mark.slow

needs_real_speech = pytest.mark.skipif(
    not (DATA / "ravdess").is_dir(), reason="needs real speech: set XSER_DATA to a folder with ravdess/"
)


def estimates(corpus, keep):
    """Log odds, gender and speaker of some of a corpus's clips."""
    with open(DATA / corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if keep(row)]
    return [(gender_log_odds(hear(load_audio(DATA / corpus / row["path"]))), row) for row in rows]


@pytest.fixture(scope="module")
def ravdess():
    return estimates("ravdess", lambda row: row["id"].split("-")[-3:-1] == ["01", "01"])


@needs_real_speech
def test_ravdess_is_right_in_95_percent_of_the_clips_that_are_estimated(ravdess):
    told = [(gender_of(odds), row["gender"]) for odds, row in ravdess if odds is not None and gender_of(odds)]
    right = sum(word == gender for word, gender in told)
    assert right / len(told) >= 0.95, (right, len(told))
    assert len(told) / len(ravdess) >= 0.7


@needs_real_speech
def test_no_speaker_is_misjudged_over_all_clips(ravdess):
    odds, genders = defaultdict(list), {}
    for found, row in ravdess:
        odds[row["speaker"]].append(found)
        genders[row["speaker"]] = row["gender"]
    words = {speaker: speaker_gender(found) for speaker, found in odds.items()}
    assert all(word in (None, genders[speaker]) for speaker, word in words.items())
    assert sum(word is not None for word in words.values()) >= 20


@needs_real_speech
def test_the_speaker_whom_librispeech_lists_wrongly_is_judged_as_listeners_judge_her():
    found = estimates("librispeech", lambda row: row["speaker"] == "librispeech-1688")
    assert {row["gender"] for _, row in found} == {"male"} and {row["gender_heard"] for _, row in found} == {"female"}
    assert speaker_gender([odds for odds, _ in found]) == "female"


@needs_real_speech
@pytest.mark.parametrize("gain", [0.1, 1.7])
def test_gain_and_silence_around_the_clip_change_nothing(gain):
    wav = load_audio(next((DATA / "ravdess" / "Actor_03").glob("*.flac")))
    changed = torch.nn.functional.pad(gain * wav, (3777, 1234))
    assert gender_log_odds(hear(changed)) == pytest.approx(gender_log_odds(hear(wav)), abs=1e-2)


def test_silence_and_noise_without_voice_have_no_gender():
    assert gender_log_odds(hear(torch.zeros(16000))) is None
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(1))
    assert gender_log_odds(hear(0.1 * noise)) is None


def test_the_weights_name_the_speech_that_made_them():
    stored = json.loads((Path(speechbrain_xser.__file__).parent / "annotator" / "gender.json").read_text())
    assert stored["corpora"] == {"cremad": "CREMA-D, ODbL 1.0", "librispeech": "LibriSpeech, CC BY 4.0"}
