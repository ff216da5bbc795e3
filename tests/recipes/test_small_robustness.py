"""Clips in worse conditions: what is changed, what is counted."""

import pytest
import soundfile
from Small.domain_sets import drawn
from Small.noise import level_of
from Small.robustness import CONDITIONS, changed, in_condition

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.synthetic.corpus import plan, speak


@pytest.fixture
def clip(tmp_path) -> Utterance:
    wave = speak(plan("test", 3, seed=1))
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    return Utterance("a", str(tmp_path / "a.wav"), transcript="go home", emotion="sad")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_changed_clip_is_within_full_scale_and_the_same_each_time(clip, condition, tmp_path):
    places = [tmp_path / "one", tmp_path / "again"]
    [one], [again] = (list(changed([clip], condition, place)) for place in places)
    wave, before = load_audio(one.wav), load_audio(clip.wav)
    assert one.transcript == "go home" and one.wav != clip.wav
    assert len(wave) >= len(before) - 320 and wave.abs().max() < 1.0
    assert load_audio(again.wav).equal(wave)
    assert (condition == "as recorded") == (len(wave) == len(before) and (wave - before).abs().max() < 1e-3)


def test_noise_lies_as_far_below_the_clip_as_it_says(clip, tmp_path):
    before = load_audio(clip.wav)
    for decibels in (20, 10, 0):
        [noisy] = changed([clip], f"noise, {decibels} dB", tmp_path)
        wave = load_audio(noisy.wav)
        gain = (wave @ before) / (before @ before)  # it was made softer where it would not fit
        noise = wave / gain - before
        assert level_of(before) - level_of(noise) == pytest.approx(decibels, abs=0.5)


@pytest.mark.slow
def test_a_row_counts_the_answers_of_the_changed_clips(packaged, clip, tmp_path):
    row = in_condition(packaged, [clip, clip._replace(id="b")], "GSM", tmp_path)
    assert row.clips == 2 and 0 <= row.ua <= 100 and row.wer >= 0
    assert (row.suspected, row.out) == (0, 0)  # the tiny model has no domain
    assert sorted(path.name for path in (tmp_path / "GSM").iterdir()) == ["0.flac", "1.flac", "clips.jsonl"]


def test_a_part_of_a_sorted_set_has_all_its_kinds():
    rows = [Utterance(f"{n:04}", "a.wav", emotion=("sad", "angry", "happy")[n % 3]) for n in range(300)]
    some = drawn(rows, 100)
    assert len(some) == 100 and {row.emotion for row in some} == {"sad", "angry", "happy"}  # every third is sad
    assert some == drawn(rows[::-1], 100)
