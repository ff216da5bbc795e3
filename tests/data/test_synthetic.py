"""The embedded corpus: its labels match the sound, and its splits share neither voices nor sentences."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.answer import parse
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.prosody import pitch_track
from speechbrain_xser.data.synthetic import corpus, grammar, prepare, profiles
from speechbrain_xser.data.synthetic.voices import voices

ROOT = Path(__file__).parents[2]
AT_ONCE = """
from concurrent.futures import ThreadPoolExecutor
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking

def said(number):
    text = f"The minister number {number} signed the tax on Friday."
    return Espeak().say(text, Speaking("en-us"), restart=True).tobytes()

with ThreadPoolExecutor(8) as pool:
    together = [list(pool.map(said, range(8))) for _ in range(5)]
print(together == [list(map(said, range(8)))] * 5)
"""


def voiced_pitch_hz(wave: np.ndarray) -> torch.Tensor:
    """F0 of the voiced frames."""
    hertz = pitch_track(torch.from_numpy(wave)).hertz
    return hertz[hertz > 0]


def spoken(prosody: dict, voice: int, level_db: float = -25.0) -> np.ndarray:
    voice = voices("train")[voice]
    base = corpus.plan("train", 0, seed=7)
    prosody = profiles.Prosody("normal", "normal", "normal", "flat")._replace(**prosody)
    pitch_hz = corpus.TARGET_PITCH_HZ[voice.gender][prosody.pitch]
    plan = base._replace(voice=voice, prosody=prosody, emphasis=None, pitch_hz=pitch_hz, level_db=level_db)
    return corpus.speak(plan._replace(rate=corpus.RATES[prosody.speed]))


@pytest.mark.parametrize("voice", [0, 3, 30, 84])
def test_pitch_labels_are_in_the_sound(voice):
    waves = [spoken({"pitch": level}, voice) for level in ("low", "normal", "high")]
    low, normal, high = (float(voiced_pitch_hz(wave).median()) for wave in waves)
    assert low * 1.15 < normal and normal * 1.15 < high


@pytest.mark.parametrize("voice", [3, 87])
def test_a_lively_low_voice_is_still_lower_than_a_flat_normal_one(voice):
    # accents go up: without compensation a lively "low" has the median F0 of a flat "normal"
    lively_low = spoken({"pitch": "low", "intonation": "lively"}, voice)
    flat_normal = spoken({"pitch": "normal", "intonation": "flat"}, voice)
    assert voiced_pitch_hz(lively_low).median() * 1.1 < voiced_pitch_hz(flat_normal).median()


def test_a_fast_clip_is_half_as_long_as_a_slow_one():
    slow, fast = (len(spoken({"speed": speed}, 0)) for speed in ("slow", "fast"))
    assert 0.4 < fast / slow < 0.6  # 120 and 240 words a minute


def test_lively_intonation_spreads_the_pitch():
    def spread(wave):
        pitch = voiced_pitch_hz(wave)
        return float(torch.quantile(pitch, 0.9) / torch.quantile(pitch, 0.1))

    assert spread(spoken({"intonation": "lively"}, 3)) > 1.2 * spread(spoken({"intonation": "flat"}, 3))


def test_the_level_is_the_planned_one():
    wave = spoken({}, 0, level_db=-30.0)
    assert 10 * np.log10(np.mean(wave**2)) == pytest.approx(-30.0, abs=0.1)


def test_an_emphasised_word_is_longer_and_the_rest_is_unchanged():
    plan = corpus.plan("train", 0, seed=7)._replace(emphasis=None)
    emphasised = plan._replace(emphasis=plan.sentence.content_words[0])
    assert len(corpus.speak(emphasised)) > len(corpus.speak(plan)) * 1.03


def test_splits_share_neither_voices_nor_sentences():
    drawn = {split: [corpus.plan(split, i, seed=1) for i in range(300)] for split in corpus.SPLITS}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not {p.voice.name for p in drawn[one]} & {p.voice.name for p in drawn[other]}
        assert not {p.sentence.text for p in drawn[one]} & {p.sentence.text for p in drawn[other]}


def test_no_single_attribute_gives_the_emotion_away():
    # seven emotions: chance is 0.143, all four attributes together give 0.957 by the sum over all combinations
    for name in profiles.Prosody._fields:
        assert profiles.best_accuracy((name,)) < 0.45
    assert profiles.best_accuracy(profiles.Prosody._fields) > 0.9


def test_every_word_that_is_spoken_is_in_the_vocabulary():
    known = set(grammar.vocabulary())
    for index in range(200):
        assert set(corpus.plan("train", index, seed=3).sentence.text.lower().split()) <= known


def test_preparing_twice_changes_nothing_and_captions_parse_back(tmp_path):
    manifests = prepare(str(tmp_path), 4, 2, 2, seed=5, jobs=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert prepare(str(tmp_path), 4, 2, 2, seed=5, jobs=1) == manifests
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    for utterance in read_manifest(manifests["train"]):
        assert parse(utterance.caption) == utterance.record()
        assert soundfile.info(utterance.wav).duration == pytest.approx(utterance.duration)


@pytest.mark.slow
def test_the_same_seed_speaks_the_same_samples(tmp_path):
    first = prepare(str(tmp_path / "a"), 2, 1, 1, seed=5, jobs=1)
    second = prepare(str(tmp_path / "b"), 2, 1, 1, seed=5, jobs=2)
    for one, other in zip(read_manifest(first["train"]), read_manifest(second["train"]), strict=True):
        assert np.array_equal(soundfile.read(one.wav)[0], soundfile.read(other.wav)[0])


@pytest.mark.slow
def test_eight_threads_speak_at_once_what_each_speaks_alone():
    done = subprocess.run([sys.executable, "-c", AT_ONCE], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr  # without turns the library crashes
