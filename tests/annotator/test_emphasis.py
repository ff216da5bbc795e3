"""Prominence of words: by hand arithmetic, under gain and padding, and against hand-labelled sentence accents."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from torchaudio.functional import resample

from speechbrain_xser.annotator.alignment import Word, align
from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.emphasis import emphasised, measure, prominences
from speechbrain_xser.annotator.pronunciation import Expected, Reading
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking
from speechbrain_xser.data.waveform import SAMPLE_RATE, without_offset
from speechbrain_xser.errors import SettingsError
from tests.annotator.hand_labels import needs_emodb, new_speakers

TEXT = "My brother bought another yellow car yesterday"
FOUR = tuple(Word(str(index), 0.5 * index, 0.5 * index + 0.5) for index in range(4))
EQUAL = Reading(np.zeros(0, np.float32), 22050, (), (Expected(0.0, 0.4, 0.0),) * 4)


def tones(hertz: list[float], amplitudes: list[float]) -> torch.Tensor:
    """Half a second of each tone, without a jump of its phase."""
    phase = torch.tensor(hertz, dtype=torch.float64).repeat_interleave(8000).cumsum(0) / 16000
    return (torch.tensor(amplitudes).repeat_interleave(8000) * torch.sin(2 * torch.pi * phase)).float()


def spoken(emphasis: str | None = None, voice: str = "en-us+m3") -> torch.Tensor:
    espeak = Espeak()
    wave = espeak.say(TEXT, Speaking(voice, rate=150, emphasis=emphasis))
    return resample(torch.from_numpy(wave), espeak.sample_rate, 16000)


def test_a_word_of_twice_the_amplitude_is_six_decibels_above_the_others():
    level = measure(hear(tones([200] * 4, [0.2, 0.2, 0.4, 0.2])), FOUR, EQUAL).level
    assert level[2] - level[0] == pytest.approx(6.02, abs=0.1)  # its neighbours share a frame with it


def test_a_word_four_semitones_higher_has_that_pitch_difference():
    high = 200 * 2 ** (4 / 12)
    pitch = measure(hear(tones([200, high, 200, high], [0.2] * 4)), FOUR, EQUAL).pitch
    assert pitch[1] - pitch[0] == pytest.approx(4.0, abs=0.2)


def test_a_steadily_falling_voice_has_no_higher_word():
    # a fall of one semitone each half second, in steps of 1/16: two semitones a second of declination
    steps = torch.arange(64) / 16
    phase = (200 * 2 ** (-steps / 12)).double().repeat_interleave(500).cumsum(0) / 16000
    pitch = measure(hear(0.2 * torch.sin(2 * torch.pi * phase).float()), FOUR, EQUAL).pitch
    assert np.ptp(pitch) < 0.3


def test_duration_is_the_log_of_the_share_over_the_expected_share():
    words = (Word("a", 0.0, 0.4), Word("b", 0.4, 1.2), Word("c", 1.2, 1.6), Word("d", 1.6, 2.0))
    duration = measure(hear(tones([200] * 4, [0.2] * 4)), words, EQUAL).duration
    # 0.5 s are expected of each of two seconds; 50 ms are added to both
    assert duration.tolist() == pytest.approx([np.log(0.45 / 0.55), np.log(0.85 / 0.55)] + [np.log(0.45 / 0.55)] * 2)


def test_a_pause_inside_a_word_does_not_make_it_longer():
    wave = tones([200] * 4, [0.2, 0.2, 0.0, 0.2])
    words = (Word("a", 0.0, 0.5), Word("b", 0.5, 1.5), Word("c", 1.5, 2.0))
    duration = measure(hear(wave), words, EQUAL._replace(words=EQUAL.words[:3])).duration
    assert duration == pytest.approx(np.zeros(3), abs=0.1)


def test_a_word_without_voice_has_no_pitch_but_a_prominence():
    wave = tones([200] * 4, [0.2] * 4)
    wave[8000:16000] = 0.05 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    assert np.isnan(measure(hear(wave), FOUR, EQUAL).pitch[1])
    assert np.isfinite(prominences(hear(wave), "one two three four", words=FOUR)).all()


def test_padding_changes_no_prominence():
    wave = without_offset(spoken(), SAMPLE_RATE)  # a padded offset would be another one
    assert prominences(hear(torch.nn.functional.pad(wave, (5000, 7000))), TEXT) == prominences(hear(wave), TEXT)


@pytest.mark.parametrize("decibels", [-30, -6, 6])
def test_gain_changes_no_prominence(decibels):
    wave = spoken()
    louder = prominences(hear(10 ** (decibels / 20) * wave), TEXT)
    assert louder == pytest.approx(prominences(hear(wave), TEXT), abs=0.02)


@pytest.mark.parametrize("voice", ["en-us+m3", "en-us+f3"])
@pytest.mark.parametrize("word", ["brother", "bought", "yellow", "yesterday"])
def test_the_word_that_a_synthesiser_emphasises_rises_most(voice, word):
    plain, marked = (prominences(hear(spoken(emphasis, voice)), TEXT) for emphasis in (None, word))
    rises = np.subtract(marked, plain)
    assert TEXT.split()[rises.argmax()] == word and rises.max() > 0


def test_words_of_another_aligner_are_taken():
    heard = hear(spoken())
    words = align(heard, TEXT)
    assert prominences(heard, TEXT, words=words) == prominences(heard, TEXT)
    moved = tuple(word._replace(start_seconds=0.0, stop_seconds=0.2) for word in words)
    assert prominences(heard, TEXT, words=moved) != prominences(heard, TEXT)


def test_the_aligner_is_asked_for_every_word_of_the_transcript():
    with pytest.raises(SettingsError, match="4 words with times; expected 7"):
        prominences(hear(spoken()), TEXT, words=FOUR)


@pytest.mark.parametrize("amplitude, text", [(0.0, TEXT), (0.2, ""), (0.2, "…")])
def test_an_unknown_value_is_none(amplitude, text):
    assert prominences(hear(tones([200], [amplitude])), text) is None
    assert emphasised(text, None) == ()


def test_emphasised_words_lose_their_punctuation_and_keep_their_order():
    assert emphasised('"Never," he said, don\'t (ever).', (2.5, 0, 0, 0, 3.0)) == ("Never", "ever")


def test_an_apostrophe_inside_a_word_stays():
    assert emphasised("I don't know him", (0, 2.0, 0, 0)) == ("don't",)


def test_only_the_two_most_prominent_words_are_emphasised():
    assert emphasised("a b c d e f g h", (3.0, 0, 2.5, 0, 4.0, 0, 0, 0)) == ("a", "e")


def test_nothing_is_emphasised_if_all_words_are_alike():
    assert emphasised("one two three", (2.0, 2.1, 2.2)) == ()


def test_a_single_word_is_not_emphasised():
    assert emphasised("Stop!", (5.0,)) == ()


def test_a_dash_is_never_emphasised():
    assert emphasised("well - no", (0.0, 9.0, 0.2)) == ()


def test_the_minimum_is_above_the_median():
    assert emphasised("a b c", (1.0, 1.0, 2.0), minimum=1.0) == ("c",)
    assert emphasised("a b c", (1.0, 1.0, 1.9), minimum=1.0) == ()


@lru_cache
def scores(given: bool) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Transcript, prominences and accents of each clip."""
    clips = [(clip, clip.words if given else None) for clip in new_speakers()]
    return [(c.transcript, np.array(prominences(c.heard, c.transcript, "de", w)), c.accented) for c, w in clips]


# Measured on the five speakers that the weights were not fitted to: chance is 17.1 %, the last word 53.0 %, the longest
# of the words as the hands placed them 60.4 %.
@needs_emodb
@pytest.mark.parametrize(
    "given, margin",
    [
        (True, 0.45),  # words by hand: hit 72.6 %, lower bound 65.1 %, AUC 0.902
        (False, 0.35),  # words by our alignment: hit 65.2 %, lower bound 57.4 %, AUC 0.890
    ],
)
@pytest.mark.slow
def test_the_most_prominent_word_bears_the_accent_more_often_than_chance(given, margin):
    clips = [(values, accented) for _, values, accented in scores(given) if accented.any()]
    hits = sum(accented[values.argmax()] for values, accented in clips)
    chance = np.mean([accented.mean() for _, accented in clips])
    assert len(clips) == 164
    assert binomtest(int(hits), len(clips)).proportion_ci(0.95).low > chance + margin
    assert np.mean([roc_auc_score(accented, values) for values, accented in clips]) > 0.8


@needs_emodb
@pytest.mark.slow
def test_the_same_word_of_the_same_sentence_is_more_prominent_when_accented():
    # what the text cannot tell: measured 69.9 % of the pairs, chance 50 %
    words = {}
    for text, values, accented in scores(given=False):
        for index in range(len(values)):
            words.setdefault((text, index), ([], []))[int(accented[index])].append(values[index])
    pairs = [high > low for lows, highs in words.values() for low in lows for high in highs]
    assert len(pairs) > 1000 and np.mean(pairs) > 0.65


@needs_emodb
def test_emphasised_words_bear_the_accent_three_times_as_often_as_any():
    # measured: 67.2 % of 61 words, against 15.5 % of all words
    found = hits = 0
    for text, values, accented in scores(given=False):
        names = [word.strip('.,?"') for word in text.split()]
        picked = [names.index(word) for word in emphasised(text, tuple(values))]
        found, hits = found + len(picked), hits + accented[picked].sum()
    usual = np.concatenate([accented for *_, accented in scores(given=False)]).mean()
    assert found > 30 and hits / found > 3 * usual
