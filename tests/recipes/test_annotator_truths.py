"""The annotator's reference values, on clips whose answer is computed by hand."""

import numpy as np
import pytest

from recipes.Annotator.gender_truths import held_out, rightness
from recipes.Annotator.pitch_truths import agreement, louder, sides
from recipes.Annotator.reference_cutoffs import rounded
from recipes.Annotator.train_gender import examples, fit, stored
from recipes.Annotator.truths import percent, table
from recipes.Annotator.voices import Sound, Voice, voices
from speechbrain_xser.annotator.gender import CEPSTRA, PITCH_PERCENTILES

WIDTH = len(PITCH_PERCENTILES) + CEPSTRA


def voice(speaker: str, female: bool, **row: str) -> Voice:
    return Voice("", speaker, female, row)


def sound(hertz: float = 0.0, praats: float | None = None, decibels: float = -20.0, features=None) -> Sound:
    """Twenty frames of one pitch."""
    tracks = [np.full(20, value, np.float32) for value in (hertz, hertz if praats is None else praats)]
    return Sound(features, None, decibels, *tracks)


def speakers(count: int) -> tuple[list[Voice], list[Sound]]:
    """Women and men in turn, three clips each, separated by every feature."""
    noise = np.random.default_rng(0)
    found = [voice(str(index // 3), index // 3 % 2 == 0) for index in range(3 * count)]
    return found, [sound(features=noise.normal(3 if clip.female else -3, 1, WIDTH)) for clip in found]


def test_a_clip_without_voice_is_wrong_when_forced_and_has_no_word():
    found = rightness([2.0, -2.0, 0.5, None], [voice("a", True), voice("b", True), voice("a", True), voice("a", True)])
    assert (found.clips, found.forced, found.told, found.with_word) == (4, 0.5, 0.5, 0.5)


def test_a_speaker_is_judged_over_all_clips():
    clips = [voice("a", True)] * 2 + [voice("b", False)] * 2 + [voice("c", False)] * 2
    # means of 1.5 and 1.5, and 0 where nothing is said
    assert rightness([4.0, -1.0, 2.0, 1.0, -2.0, 2.0], clips).speakers == {"right": 1, "wrong": 1, "open": 1}


def test_held_out_speakers_are_judged_by_the_others():
    corpora = [speakers(12), speakers(10)]
    for odds, (clips, _) in zip(held_out(corpora), corpora, strict=True):
        assert rightness(odds, clips).forced == 1


def test_a_clip_is_never_judged_by_weights_of_its_own_speaker():
    clips, sounds = speakers(20)
    lone = [voice("odd", False)] * 3  # a man with a woman's voice: others make him a woman, he alone a man
    found = held_out([(clips + lone, sounds + sounds[:3])])[0]
    assert all(odds > 0 for odds in found[-3:])


def test_weights_for_json_give_the_models_log_odds():
    clips, sounds = speakers(6)
    found = examples(clips, [sound.features for sound in sounds])
    model = fit(found)
    values = stored(model, found)
    odds = (found.features - values["mean"]) / values["scale"] @ np.array(values["weights"]) + values["bias"]
    assert odds == pytest.approx(model.decision_function(found.features), abs=2e-3)
    assert (values["clips"], values["speakers"]) == (18, 6)


def test_a_clip_without_features_is_not_an_example():
    assert len(examples([voice("a", True), voice("b", False)], [None, np.zeros(WIDTH)]).female) == 1


def test_sides_are_given_by_the_clips_medians():
    clips = [voice("a", False)] * 3 + [voice("b", True)] * 2
    found = sides(clips, [sound(100), sound(150), sound(170), sound(150), sound(250)])
    assert found == (150, 200, pytest.approx(2 / 3), 0.5)


def test_octaves_and_nearness_are_those_of_the_frames():
    pairs = [(100, 100), (101, 100), (103, 100), (50, 100), (200, 100), (100, 0), (0, 100), (130, 100)]
    found = agreement([sound(*pair) for pair in pairs])
    # six clips that both call voiced, each of twenty frames
    assert found.near == pytest.approx(2 / 6) and found.gross == pytest.approx(3 / 6)
    assert (found.halved, found.doubled) == (pytest.approx(1 / 6), pytest.approx(1 / 6))
    assert found.voiced_too == pytest.approx(6 / 7)
    assert (found.near_medians, found.halved_clips, found.doubled_clips) == (pytest.approx(2 / 6), 1, 1)
    assert found.seconds == pytest.approx(1.6)


def test_loudness_is_compared_within_each_speaker():
    levels = {"a": (-10, -20), "b": (-30, -26)}
    clips = [voice(speaker, True, emotion=emotion) for speaker in levels for emotion in ("angry", "neutral")]
    sounds = [sound(decibels=level) for pair in levels.values() for level in pair]
    assert louder(clips, sounds, {"emotion": "angry"}, {"emotion": "neutral sad"}) == (2, 1, 3.0)


def test_listeners_take_precedence_over_the_list(tmp_path):
    lines = ["path,speaker,gender,gender_heard", "a.wav,1,male,female", "b.wav,2,M,", "c.wav,3,,"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    assert [clip.female for clip in voices(tmp_path)] == [True, False]


def test_bounds_are_written_with_two_decimals():
    assert rounded({"level_decibels": (-33.126, -26.0), "source": "x"})["level_decibels"] == [-33.13, -26.0]


def test_a_table_has_its_header_above_its_rows():
    assert table(("clips", "right"), [("a", percent(0.5))]) == ["| clips | right |", "|---|---|", "| a | 50.0 % |"]
