"""Contours and ranges drawn by hand, in semitones above 100 Hz."""

import random

import pytest
import torch

from speechbrain_xser.annotator.intonation import CONTOURS, contour, liveliness, range_semitones

SHAPES = {
    "rising": [0, 5],
    "falling": [5, 0],
    "rising-falling": [0, 5, 0],
    "falling-rising": [5, 0, 5],
    "level": [2, 2.5, 2],
}


def track(*semitones: float, frames: int = 60) -> torch.Tensor:
    """Pitch through given points, [frames]."""
    points = torch.tensor(semitones, dtype=torch.float64)
    place = torch.linspace(0, len(points) - 1, frames, dtype=torch.float64)
    before = place.floor().long().clamp(max=len(points) - 2)
    return (100 * 2 ** ((points[before] + (place - before) * points.diff()[before]) / 12)).float()


@pytest.mark.parametrize("name", CONTOURS)
def test_a_contour_is_named_by_its_shape(name):
    assert contour(track(*SHAPES[name])) == name


@pytest.mark.parametrize("moved, name", [(2.8, "level"), (3.2, "rising"), (-2.8, "level"), (-3.2, "falling")])
def test_a_movement_counts_from_three_semitones_on(moved, name):
    assert contour(track(0, moved)) == name


def test_a_long_rise_with_a_small_fall_is_a_rise():
    assert contour(track(0, 3, 6, 4.5)) == "rising"


def test_single_octave_errors_do_not_change_the_contour():
    wrong = track(*SHAPES["falling"])
    wrong[[10, 31, 50]] *= 0.5
    assert contour(wrong) == "falling"


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", CONTOURS)
def test_gaps_without_voice_change_neither_contour_nor_range(name, seed):
    draw, whole = random.Random(seed), track(*SHAPES[name])
    parts = list(whole[:, None])
    for place in draw.sample(range(60), draw.randint(1, 6)):
        parts[place] = torch.cat([parts[place], torch.zeros(draw.randint(1, 80))])
    gapped = torch.cat(parts)
    assert (contour(gapped), range_semitones(gapped)) == (name, range_semitones(whole))


@pytest.mark.parametrize("semitones", [-7.0, 0.3, 12.0, 24.0])
@pytest.mark.parametrize("name", CONTOURS)
def test_a_higher_voice_has_the_same_contour_and_range(name, semitones):
    low = track(*SHAPES[name])
    high = low * 2 ** (semitones / 12)
    assert contour(high) == name
    assert range_semitones(high) == pytest.approx(range_semitones(low), abs=1e-3)


def test_the_range_leaves_out_a_twentieth_at_each_end():
    assert range_semitones(track(0, 10, frames=101)) == pytest.approx(9.0, abs=1e-3)


def test_nine_voiced_frames_have_no_contour_and_no_range():
    assert contour(track(0, 9, frames=9)) is None and range_semitones(track(0, 9, frames=9)) is None


@pytest.mark.parametrize("semitones, word", [(7.7, "flat"), (7.8, "normal"), (11.3, "normal"), (11.4, "lively")])
def test_a_range_has_the_word_of_its_third(semitones, word):
    assert liveliness(semitones) == word
