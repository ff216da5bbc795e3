"""Split sides and age bands of speakers."""

import pytest

from speechbrain_xser.data.speakers import age_band, split_speakers
from speechbrain_xser.errors import ManifestError

SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}


def test_bands_begin_at_their_stated_years():
    assert [age_band(years) for years in (19, 20, 39, 40, 59, 60)] == [
        "teenager",
        "youth adult",
        "youth adult",
        "middle-aged",
        "middle-aged",
        "elderly",
    ]


def test_an_impossible_age_is_refused():
    with pytest.raises(ManifestError, match="-1 years"):
        age_band(-1)


def test_the_split_does_not_depend_on_the_order_or_on_repetition():
    names = [str(name) for name in range(20)]
    assert split_speakers(names, SHARES, "a") == split_speakers(reversed(names + names), SHARES, "a")


def test_every_speaker_is_on_one_side():
    sides = split_speakers(map(str, range(91)), SHARES, "a")
    assert [list(sides.values()).count(split) for split in SHARES] == [64, 9, 18]


def test_another_seed_gives_another_split():
    names = [str(name) for name in range(50)]
    assert split_speakers(names, SHARES, "a") != split_speakers(names, SHARES, "b")


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ManifestError, match="sum to 1"):
        split_speakers(["a"], {"train": 0.5}, "a")
