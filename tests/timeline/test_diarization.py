"""Speakers of moments whose voices are given by hand."""

import sys

import numpy as np
import pytest
import torch

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.timeline import diarization
from speechbrain_xser.timeline.diarization import Voices, assign
from tests.timeline.conversation import PitchEncoder

LONG = 5.0  # seconds


def at(*degrees):
    """Voices in a plane; the cosine distance of two is one minus the cosine of the angle between them."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def groups(voices, seconds=LONG, **options):
    lengths = np.broadcast_to(np.asarray(seconds, float), len(voices))
    return assign(voices, lengths, **{"apart": 0.5, **options})


def same(labels, wanted):
    """Whether moments are grouped as the given letters."""
    pairs = zip(labels, wanted, strict=True)
    return len(set(pairs)) == len(set(labels)) == len(set(wanted))


def test_voices_that_are_60_degrees_apart_are_one_below_a_distance_of_a_half_and_two_above_it():
    assert same(groups(at(0, 59, 0, 59)), "aaaa")  # 1 - cos 59° = 0.485
    assert same(groups(at(0, 61, 0, 61)), "abab")  # 1 - cos 61° = 0.515


def test_distances_between_groups_are_means_of_those_of_their_moments():
    # 41 and 80 join first, at 1 - cos 39°; then 0 is (1 - cos 41° + 1 - cos 80°) / 2 from the two
    joined = 1 - (np.cos(np.radians(41)) + np.cos(np.radians(80))) / 2
    assert same(groups(at(0, 41, 80), apart=joined + 0.001), "aaa")
    assert same(groups(at(0, 41, 80), apart=joined - 0.001), "abb")


def test_a_known_number_of_speakers_is_met():
    voices = at(0, 10, 50, 60, 100, 110)
    assert same(groups(voices, count=3), "aabbcc") and len(set(groups(voices, count=2))) == 2
    assert same(groups(voices, count=1), "aaaaaa") and same(groups(voices, count=6), "abcdef")


def test_more_speakers_than_moments_are_as_many_as_moments():
    assert same(groups(at(0, 90), count=5), "ab")


def test_a_known_number_is_met_by_short_moments_where_long_ones_are_too_few():
    assert same(groups(at(0, 90, 2), [LONG, 0.5, 0.5], count=2), "aba")


def test_one_moment_has_one_speaker():
    assert groups(at(30)) == [0] and groups(at(30), 0.3) == [0]


def test_a_short_moment_joins_the_nearest_speaker_and_founds_none():
    voices = at(0, 90, 0, 90, 180)
    assert same(groups(voices, [LONG] * 4 + [0.9]), "ababb")
    assert same(groups(voices, [LONG] * 5), "ababc")


def test_where_all_moments_are_short_they_are_clustered():
    assert same(groups(at(*[0, 90] * 4), 0.9), "abababab")


def test_who_says_less_than_three_seconds_in_all_is_no_speaker():
    assert same(groups(at(0, 90, 0, 180), [LONG, LONG, LONG, 2.9]), "abab")
    assert same(groups(at(0, 90, 0, 180), [LONG, LONG, LONG, 3.1]), "abac")
    assert same(groups(at(0, 90, 0, 180, 180), [LONG, LONG, LONG, 2.9, 0.9]), "ababb")  # short ones do not count


def test_in_a_short_clip_whoever_says_most_is_a_speaker():
    assert same(groups(at(0, 90), [1.2, 1.5]), "aa")


def test_thousands_of_moments_are_clustered_by_a_thousand_of_them(monkeypatch):
    sizes = []
    usual = diarization._clustered
    counted = lambda voices, *rest: sizes.append(len(voices)) or usual(voices, *rest)  # noqa: E731
    monkeypatch.setattr(diarization, "_clustered", counted)
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, 2500)
    labels = groups(at(*(60 * truth + draw.normal(0, 5, 2500))), apart=0.3)
    assert sizes == [1000] and same(labels, truth.tolist())


def test_a_speaker_of_few_moments_among_thousands_is_one():
    degrees = [0, 60] * 1500 + [120] * 4 + [0, 60] * 500  # every fourth moment is clustered: one of the 120s
    assert same(groups(at(*degrees), 1.0, apart=0.3), degrees)


def test_speakers_are_numbered_in_the_order_in_which_they_speak():
    voices = Voices(PitchEncoder())
    for hertz in (900, 300, 900, 600):
        voices.hear(torch.sin(2 * torch.pi * hertz * torch.arange(64000) / 16000))
    assert voices.names() == ["speaker 1", "speaker 2", "speaker 1", "speaker 3"]


def test_no_moments_have_no_speakers():
    assert Voices(PitchEncoder()).names() == []


def test_a_missing_library_is_one_line_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(SettingsError, match="Naming speakers needs scikit-learn. Run: pip install"):
        Voices(PitchEncoder())


def test_a_silent_voice_breaks_nothing():
    voices = np.concatenate([at(0, 90, 0, 90), np.zeros((1, 2))])
    assert same(groups(voices)[:4], "abab")
