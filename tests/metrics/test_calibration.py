"""Calibration and raters, by hand."""

import math

import numpy as np
import pytest
from scipy.special import softmax

from speechbrain_xser.errors import MetricError
from speechbrain_xser.metrics.calibration import expected_calibration_error, fit_temperature, tempered
from speechbrain_xser.metrics.raters import human_ceiling, rater_accuracy


def rows(*confidences):
    return [{"sad": confidence, "happy": 1 - confidence} for confidence in confidences]


def test_the_error_is_the_distance_of_each_bin_weighed_by_its_utterances():
    """Two bins of ten: 0.95 twice, one right: distance 0.45; 0.65 twice, both right: distance 0.35."""
    found = expected_calibration_error(rows(0.95, 0.95, 0.65, 0.65), ["sad", "happy", "sad", "sad"], bins=10)
    assert found == pytest.approx(100 * (0.5 * 0.45 + 0.5 * 0.35))


def test_a_confident_and_correct_model_is_calibrated():
    assert expected_calibration_error(rows(1.0, 1.0), ["sad", "sad"]) == 0.0


def test_rows_that_are_not_probabilities_are_named():
    with pytest.raises(MetricError, match="row 1: probabilities sum to 1.5000"):
        expected_calibration_error([{"sad": 1.0}, {"sad": 1.0, "happy": 0.5}], ["sad", "sad"])
    with pytest.raises(MetricError, match="2 rows for 1 references"):
        expected_calibration_error(rows(0.5, 0.5), ["sad"])


def test_the_temperature_makes_confidence_what_was_right():
    """As right as 0.6 on average with a confidence of 0.8: log(4) / t = log(1.5)."""
    found = fit_temperature(rows(*[0.8] * 10), ["sad"] * 6 + ["happy"] * 4)
    assert found == pytest.approx(math.log(4) / math.log(1.5), rel=1e-3)
    assert fit_temperature(rows(*[0.6] * 10), ["sad"] * 8 + ["happy"] * 2) == pytest.approx(1 / found, rel=1e-3)


def test_another_temperature_is_a_softmax_of_divided_logarithms():
    row = {"sad": 0.7, "happy": 0.2, "angry": 0.1}
    expected = softmax(np.log(list(row.values())) / 1.7)
    assert list(tempered(row, 1.7).values()) == pytest.approx(expected.tolist())


def test_a_class_that_no_row_has_is_named():
    with pytest.raises(MetricError, match="'angry'"):
        fit_temperature(rows(0.5), ["angry"])


VOTES = {"a": ["sad", "sad", "neutral"], "b": ["happy", "angry"], "c": ["angry"] * 4}


def test_a_label_of_any_rater_counts_and_an_unparsed_answer_does_not():
    assert rater_accuracy({"a": "neutral", "b": "sad", "c": None}, VOTES) == pytest.approx(100 / 3)


def test_an_answer_without_votes_is_named():
    with pytest.raises(MetricError, match="1 utterances have no votes: z"):
        rater_accuracy({"a": "sad", "z": "sad"}, VOTES)


def test_the_ceiling_is_one_rater_against_the_rest():
    """a: both "sad" tie with "neutral" among the rest and count, "neutral" does not; b: none of two; c: all four."""
    assert human_ceiling(VOTES) == pytest.approx(100 * (2 + 0 + 4) / 9)


def test_single_votes_have_no_ceiling():
    with pytest.raises(MetricError, match="two votes"):
        human_ceiling({"a": ["sad"]})
