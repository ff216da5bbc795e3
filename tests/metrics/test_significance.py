"""Significance tests, by arithmetic."""

import math

import numpy as np
import pytest
from scipy import special

from speechbrain_xser.errors import MetricError
from speechbrain_xser.metrics.significance import bootstrap_interval, holm, mcnemar_test, paired_t_test


def test_the_t_test_is_one_tailed_and_paired():
    ours, theirs = [3.0, 5.0, 4.0, 6.0], [1.0, 4.0, 4.0, 3.0]
    differences = np.subtract(ours, theirs)  # 2, 1, 0, 3: mean 1.5, deviation 1.29099
    t = differences.mean() / (differences.std(ddof=1) / 2)
    assert t == pytest.approx(1.5 / (1.2909944 / 2))
    # of Student's distribution with three degrees of freedom, through the incomplete beta function
    wanted = 0.5 * special.betainc(1.5, 0.5, 3 / (3 + t**2))
    assert paired_t_test(ours, theirs) == pytest.approx(wanted)
    assert paired_t_test(theirs, ours) == pytest.approx(1 - wanted)


def test_equal_scores_are_not_a_lead():
    assert paired_t_test([1.0, 2.0], [1.0, 2.0]) == 1.0 and mcnemar_test([True, False], [True, False]) == 1.0


def test_mcnemar_is_the_binomial_of_the_disagreements():
    ours = [True] * 7 + [False] * 2 + [True] * 20
    theirs = [False] * 7 + [True] * 2 + [True] * 20
    tail = sum(math.comb(9, k) for k in range(3)) / 2**9  # two or fewer of nine
    assert mcnemar_test(ours, theirs) == mcnemar_test(theirs, ours) == pytest.approx(2 * tail)


@pytest.mark.parametrize("pair", [([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([], [])])
def test_different_utterances_are_refused(pair):
    for test in (paired_t_test, mcnemar_test):
        with pytest.raises(MetricError, match="expected the same ones"):
            test(*pair)


@pytest.mark.slow
def test_the_bootstrap_covers_a_mean_as_often_as_it_says():
    numbers = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        low, _, high = bootstrap_interval(numbers.normal(size=60), draws=200, seed=seed)
        covered += low <= 0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_bootstrap_takes_any_statistic_of_the_utterances():
    pairs = [("sad", "sad"), ("sad", "happy"), ("happy", "happy")] * 30

    def share(items):
        return 100 * sum(one == other for one, other in items) / len(items)

    low, value, high = bootstrap_interval(pairs, share, seed=1)
    assert value == pytest.approx(200 / 3) and 50 < low < value < high < 80
    scores = list(np.random.default_rng(1).normal(size=50))
    assert (
        bootstrap_interval(scores, seed=1) == bootstrap_interval(scores, seed=1) != bootstrap_interval(scores, seed=2)
    )


def test_holm_by_hand():
    """Ordered 0.001, 0.02, 0.03, 0.2, times 4, 3, 2, 1; never less than the one before."""
    assert holm([0.03, 0.001, 0.2, 0.02]) == pytest.approx([0.06, 0.004, 0.2, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
