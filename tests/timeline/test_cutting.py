"""Spans of streams, counted by hand: 512 samples a frame; 16 frames make a pause of 0.5 s."""

import random

import pytest

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.timeline.cutting import Cutting
from tests.timeline.stub import frames, spans

BARE = Cutting(context_seconds=0.0)
SPEECH, SILENCE, BETWEEN = 0.9, 0.1, 0.4  # BETWEEN is in the hysteresis


def in_frames(cutting, probabilities, levels=None):
    return [(span.start / 512, span.stop / 512) for span in spans(cutting, frames(probabilities, levels))]


def test_silence_has_no_moments():
    assert in_frames(BARE, [SILENCE] * 100 + [BETWEEN] * 100) == []


def test_speech_begins_at_the_threshold_and_ends_where_the_pause_began():
    assert in_frames(BARE, [BETWEEN] * 9 + [SPEECH] * 20 + [BETWEEN] * 5 + [SILENCE] * 20) == [(9, 34)]


def test_a_pause_of_fifteen_frames_is_within_a_moment_and_one_of_sixteen_ends_it():
    assert in_frames(BARE, [SPEECH] * 20 + [SILENCE] * 15 + [SPEECH] * 20) == [(0, 55)]
    assert in_frames(BARE, [SPEECH] * 20 + [SILENCE] * 16 + [SPEECH] * 20) == [(0, 20), (36, 56)]


def test_seven_frames_of_speech_are_not_a_moment():
    assert in_frames(BARE, [SPEECH] * 7 + [SILENCE] * 20 + [SPEECH] * 8 + [SILENCE] * 20) == [(27, 35)]


def test_context_is_kept_on_both_sides_within_the_recording():
    cutting = Cutting(context_seconds=0.064)  # two frames
    assert in_frames(cutting, [SPEECH] * 10 + [SILENCE] * 20 + [SPEECH] * 10) == [(0, 12), (28, 40)]


def test_long_speech_is_cut_at_its_longest_pause_which_is_left_out():
    cutting = BARE._replace(max_seconds=3.2)  # a hundred frames
    given = [SPEECH] * 40 + [SILENCE] * 6 + [SPEECH] * 14 + [SILENCE] * 3 + [SPEECH] * 60
    assert in_frames(cutting, given) == [(0, 40), (46, 123)]


def test_long_speech_without_a_pause_is_cut_where_it_is_quietest():
    levels = [0.2] * 70 + [0.05, 0.01, 0.05] + [0.2] * 60
    assert in_frames(BARE._replace(max_seconds=3.2), [SPEECH] * 133, levels) == [(0, 71), (71, 133)]


def test_nothing_is_left_out_after_a_cut_without_a_pause():
    levels = [0.2] * 70 + [0.01] * 3 + [0.2] * 60
    given = [SPEECH] * 68 + [BETWEEN] * 9 + [SPEECH] * 56
    assert in_frames(BARE._replace(max_seconds=3.2), given, levels) == [(0, 71), (71, 133)]


def test_a_pause_in_the_first_quarter_is_not_cut_at():
    given = [SPEECH] * 20 + [SILENCE] * 10 + [SPEECH] * 30 + [SILENCE] * 4 + [SPEECH] * 60
    assert in_frames(BARE._replace(max_seconds=3.2), given) == [(0, 60), (64, 124)]


def test_a_pause_that_lasts_when_the_maximum_is_reached_is_cut_at():
    given = [SPEECH] * 95 + [SILENCE] * 10 + [SPEECH] * 20
    assert in_frames(BARE._replace(max_seconds=3.2), given) == [(0, 95), (105, 125)]


def test_context_at_a_cut_is_shared_and_never_overlaps():
    cutting = Cutting(max_seconds=3.264, context_seconds=0.032)  # a hundred frames and two of context
    given = [SPEECH] * 60 + [SILENCE] * 1 + [SPEECH] * 70
    assert in_frames(cutting, given) == [(0, 60.5), (60.5, 131)]


@pytest.mark.parametrize("seed", range(20))
def test_moments_are_in_order_apart_and_within_the_maximum(seed):
    draw = random.Random(seed)
    given = []
    while len(given) < 4000:
        given += [draw.choice([SPEECH, SPEECH, SPEECH, BETWEEN, SILENCE])] * draw.randint(1, draw.choice([3, 30, 300]))
    levels = [draw.random() for _ in given]
    cutting = Cutting(
        max_seconds=draw.choice([2.0, 5.0, 15.0]), pause_seconds=draw.choice([0.2, 0.5]), context_seconds=0.1
    )
    found = spans(cutting, frames(given, levels))
    flat = [edge for span in found for edge in span]
    assert found and flat == sorted(flat) and flat[0] >= 0 and flat[-1] <= len(given) * 512
    assert all(0 < span.stop - span.start <= cutting.max_seconds * 16000 for span in found)
    heard = {frame for span in found for frame in range(-(-span.start // 512), span.stop // 512)}
    spoken = {place for place, value in enumerate(given) if value == SPEECH}
    assert len(spoken - heard) < 0.02 * len(spoken)  # what is too short, and frames that contexts share


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"max_seconds": 31.0}, "max_seconds is 31, expected 2 to 30"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
        ({"pause_seconds": 0.0}, "pause_seconds is 0, expected 0.1 to 10"),
        ({"min_seconds": -1.0}, "min_seconds is -1, expected 0 to 3.75"),
        ({"context_seconds": 0.3}, "context_seconds is 0.3, expected 0 to half of pause_seconds"),
        ({"threshold": 1.0}, "threshold is 1, expected above 0.15"),
    ],
)
def test_impossible_settings_are_refused_with_what_was_expected(wrong, told):
    with pytest.raises(SettingsError, match=told):
        Cutting(**wrong).checked(30.0)
