"""Word times against the path of another library, other synthetic voices and hand-labelled syllables."""

import dtw
import numpy as np
import pytest
import torch
from torchaudio.functional import resample

from speechbrain_xser.annotator.alignment import DIAGONAL, align, reading_of, warp
from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking
from tests.annotator.hand_labels import needs_emodb, new_speakers

WEIGHTED_STEPS = dtw.StepPattern(  # pattern, rows back, columns back, weight; -1 marks where a step comes from
    np.array([[1, 1, 1, -1], [1, 0, 0, DIAGONAL], [2, 0, 1, -1], [2, 0, 0, 1], [3, 1, 0, -1], [3, 0, 0, 1]])
)
TEXT = "The children were playing games behind our new house"


def spoken(text: str = TEXT, voice: str = "en-us+m3", rate: int = 140) -> tuple[torch.Tensor, np.ndarray]:
    """A voice and tempo that differ from the reading, and the start times of its words."""
    espeak = Espeak()
    wave = torch.from_numpy(espeak.say(text, Speaking(voice, rate=rate)))
    return resample(wave, espeak.sample_rate, 16000), np.array([word.seconds for word in espeak.words])


def starts(wave: torch.Tensor, text: str = TEXT) -> np.ndarray:
    """When the words begin in the clip itself."""
    heard = hear(wave)
    return np.array([word.start_seconds for word in align(heard, text)]) + heard.start_seconds


@pytest.mark.parametrize("seed", range(5))
def test_the_path_equals_that_of_dtw_python(seed):
    steps = np.random.default_rng(seed).normal(size=(2, 60, 3)).cumsum(1)  # two walks, of which some parts are alike
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (steps[0, :40], steps[1]))
    path = dtw.dtw(1 - one @ other.T, step_pattern=WEIGHTED_STEPS)
    assert warp(one, other).tolist() == [path.index2[path.index1 == row].min() for row in range(40)]


def test_a_stretched_sequence_is_matched_with_its_own_vectors():
    vectors = np.eye(5)
    assert warp(vectors, np.repeat(vectors, [1, 3, 1, 2, 4], axis=0)).tolist() == [0, 1, 4, 5, 7]


@pytest.mark.parametrize("voice, rate", [("en-us+m3", 140), ("en-us+f3", 220), ("en-gb-x-rp+m7", 170)])
def test_words_of_another_voice_and_tempo_are_found(voice, rate):
    wave, truth = spoken(voice=voice, rate=rate)
    words = starts(wave)
    assert np.median(np.abs(words - truth)) < 0.03
    assert np.abs(words - truth).max() < 0.1


def test_a_pause_separates_two_words():
    wave, truth = spoken()
    cut = round(truth[6] * 16000)  # before "our"
    heard = hear(torch.cat([wave[:cut], torch.zeros(16000), wave[cut:]]))
    words, usual = align(heard, TEXT), align(hear(wave), TEXT)
    assert words[6].start_seconds - usual[6].start_seconds == pytest.approx(1.0, abs=0.06)
    assert words[5].stop_seconds - usual[5].stop_seconds == pytest.approx(0.0, abs=0.06 + 1e-9)
    assert words[2].start_seconds - usual[2].start_seconds == pytest.approx(0.0, abs=0.06)


def test_padding_moves_no_word_within_the_sound():
    wave, _ = spoken()
    padded = torch.nn.functional.pad(wave, (12345, 6789))
    assert align(hear(padded), TEXT) == align(hear(wave), TEXT)


def test_gain_moves_no_word():
    heard = hear(spoken()[0])
    quiet = heard._replace(wav=heard.wav / 2**16, decibels=heard.decibels - 96.3)  # hear() itself would trim more
    assert align(quiet, TEXT) == align(heard, TEXT)


def test_words_are_split_at_white_space_in_order():
    wave, _ = spoken("Well - said the 3 of them!")
    words = align(hear(wave), "Well - said the 3 of them!")
    assert [word.text for word in words] == ["Well", "-", "said", "the", "3", "of", "them!"]
    times = [seconds for word in words for seconds in word[1:]]
    assert times == sorted(times)


def test_minutes_are_aligned_as_well_as_seconds():
    text = ". ".join([TEXT, "We could meet them after lunch tomorrow"] * 8)
    wave, truth = spoken(text)
    assert len(wave) > 45 * 16000
    assert np.median(np.abs(starts(wave, text) - truth)) < 0.03


@pytest.mark.parametrize("text", ["", "  ", "...", "-"])
def test_an_empty_transcript_has_no_words(text):
    assert align(hear(spoken()[0]), text) == ()


def test_no_words_are_found_in_silence():
    assert align(hear(torch.zeros(16000)), TEXT) == ()


def test_one_word_fills_its_clip():
    wave, _ = spoken("Tomorrow")
    heard = hear(wave)
    (word,) = align(heard, "Tomorrow")
    assert word.start_seconds < 0.06 and word.stop_seconds == pytest.approx(len(heard.wav) / 16000, abs=0.06)


@needs_emodb
@pytest.mark.slow
def test_hand_labelled_words_are_found():
    # measured: median 18 ms and 96.8 % within 100 ms; the reading stretched to the clip: 97 ms and 51.4 %
    ours, stretched = [], []
    for clip in new_speakers():
        truth = np.array([word.start_seconds for word in clip.words])[1:]
        found = np.array([word.start_seconds for word in align(clip.heard, clip.transcript, "de")])[1:]
        reading = reading_of(clip.heard, clip.transcript, "de")
        expected = np.array([word.start_seconds for word in reading.words])[1:]
        seconds = sum(word.seconds for word in reading.words)
        ours += np.abs(found - truth).tolist()
        stretched += np.abs(expected / seconds * len(clip.heard.wav) / 16000 - truth).tolist()
    assert len(ours) == 1483
    assert np.median(ours) < 0.025 and np.mean(np.array(ours) < 0.1) > 0.94
    assert np.median(ours) < np.median(stretched) / 3
