"""How often answers of a certain sureness were right, counted by hand."""

import pytest

from speechbrain_xser.answer.reliability import Reliability, SureBin, reliability_of

ANSWERS = [(0.31, False), (0.42, True), (0.5, False), (0.66, True), (0.81, True), (0.99, True)]


def test_bins_hold_as_many_answers_each_and_the_right_ones_are_counted():
    assert [tuple(one) for one in reliability_of(ANSWERS, "mine", bins=3).bins] == [
        (0.0, 0.42, 2, 1),
        (0.42, 0.66, 2, 1),
        (0.66, 1.0, 2, 2),
    ]


def test_answers_of_one_probability_are_in_one_bin():
    [one] = reliability_of([(1.0, True)] * 9 + [(1.0, False)], "mine").bins
    assert tuple(one) == (0.0, 1.0, 10, 9)


def test_every_answer_is_counted_once_even_a_probability_of_nothing():
    found = reliability_of([(0.0, False), *ANSWERS], "mine", bins=4)
    assert sum(one.answers for one in found.bins) == 7 and sum(one.right for one in found.bins) == 4


def test_a_bin_without_answers_is_part_of_its_neighbour():
    """Rounding puts the bound of two answers at 0.904 below both, and that of two at 0.956 above both."""
    below = reliability_of([(0.904, True), (0.904, False), (0.96, True)], "mine", bins=3).bins
    above = reliability_of([(0.3, True), (0.956, False), (0.956, True)], "mine", bins=3).bins
    assert [tuple(one) for one in below] == [(0.0, 1.0, 3, 2)]
    assert [tuple(one) for one in above] == [(0.0, 0.3, 1, 1), (0.3, 1.0, 2, 1)]


@pytest.mark.parametrize(("probability", "right"), [(0.0, 15), (0.5, 15), (0.501, 33), (1.0, 33), (1.0000001, 33)])
def test_an_answer_belongs_to_the_bin_of_its_probability(probability, right):
    found = Reliability("mine", (SureBin(0.0, 0.5, 40, 15), SureBin(0.5, 1.0, 40, 33)))
    assert found.of(probability).right == right


def test_an_answer_less_sure_than_any_that_was_counted_is_told_nothing():
    found = Reliability("mine", (SureBin(0.33, 1.0, 40, 33),))
    assert found.of(0.2) is None and found.of(0.33) is None and found.of(0.34).right == 33
