"""Bars whose lengths are known by arithmetic."""

import re

import pytest
import torch

from speechbrain_xser.evidence.attribution import Attribution
from speechbrain_xser.evidence.localization import BranchTrace, Where
from speechbrain_xser.page.bars import branch_bar, distributions_table, layer_bars, probability_bars
from speechbrain_xser.stages import BRANCHES
from tests.page.reading import Reader


def boxes(page: str) -> list[tuple[float, float]]:
    """Left end and width of each bar, percent."""
    return [(float(left), float(width)) for left, width in re.findall(r"left:([\d.]+)%?;width:([\d.]+)%", page)]


def test_probabilities_are_as_long_as_they_are_large_and_the_largest_is_first():
    page = probability_bars({"sad": 0.125, "angry": 0.75, "happy": 0.125}, "sad")
    assert boxes(page) == [(0, 75), (0, 12.5), (0, 12.5)]
    assert Reader(page).text.index("angry") < Reader(page).text.index("sad")


def test_the_emotion_that_is_named_is_marked_by_a_sign_too():
    assert "▸ sad" in Reader(probability_bars({"sad": 0.2, "angry": 0.8}, "sad")).text
    assert "▸" not in Reader(probability_bars({"sad": 0.2, "angry": 0.8}, "outraged")).text


def test_each_row_of_bars_has_a_heading_for_a_screen_reader():
    page = Reader(probability_bars({"sad": 0.2, "angry": 0.8}, None))
    assert len(page.of("th", scope="row")) == 2 and page.of("table")[0]["aria-label"]


def test_a_branch_against_the_label_goes_left_and_one_for_it_right():
    page = branch_bar(Attribution("sad", {"content": -1.0, "descriptor": 4.0}, {}))
    assert boxes(page) == [(37.5, 12.5), (50, 50)]
    assert [told in Reader(page).text for told in ("−1.00 nats", "+4.00 nats", "+3.00 nats")] == [True] * 3


def test_an_effect_of_next_to_nothing_does_not_fill_the_bar():
    assert boxes(branch_bar(Attribution("sad", {"content": 0.0, "descriptor": 0.1}, {}))) == [(50, 0), (50, 5)]


def test_distributions_have_a_column_for_each_thing_heard():
    page = Reader(distributions_table({"all": {"sad": 0.25, "<i>": 0.75}, "another": {"sad": 1.0, "<i>": 0.0}}))
    assert len(page.of("th", scope="col")) == 3 and len(page.of("th", scope="row")) == 2 and not page.faults
    assert "all branches" in page.text and "another" in page.text and "<i>" in page.text and "100.0 %" in page.text


@pytest.mark.parametrize("count", [5, 25])
def test_every_layer_is_described_and_the_heaviest_bar_is_the_highest(count):
    weights = torch.arange(1.0, count + 1) / sum(range(1, count + 1))
    page = layer_bars(Where("sad", dict.fromkeys(BRANCHES, BranchTrace(None, torch.zeros(1), weights, 0.1)), 0.02))
    told = Reader(page).of("figure")[0]["aria-label"]
    assert told.count("layer ") == count and re.findall(r"height:([\d.]+)%", page)[count - 1] == "100.0"
    assert not Reader(page).faults


def test_a_branch_without_layers_says_so():
    page = layer_bars(Where("sad", dict.fromkeys(BRANCHES, BranchTrace(None, torch.zeros(1), None, 0.1)), 0.02))
    assert Reader(page).text.count("sums no layers") == 2


def test_a_third_branch_has_a_row_a_column_of_each_coalition_and_layers():
    shares = {"content": 1.0, "descriptor": 2.0, "<who>": -0.5}
    told = Reader(branch_bar(Attribution("sad", shares, {}))).text
    assert [part in told for part in ("words", "voice", "<who>", "−0.50 nats", "+2.50 nats")] == [True] * 5
    page = Reader(distributions_table({"content+<who>": {"sad": 1.0}, "none": {"sad": 1.0}, "content": {"sad": 1.0}}))
    assert [part in page.text for part in ("words and <who>", "no branch", "words only")] == [True] * 3
    trace = BranchTrace(None, torch.zeros(1), torch.ones(1), 0.1)
    assert "<who>" in Reader(layer_bars(Where("sad", dict.fromkeys(shares, trace), 0.02))).text
