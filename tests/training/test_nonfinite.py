"""Which rank says what of a step that is skipped."""

import math

import pytest

from speechbrain_xser.training.nonfinite import NonfiniteGuard


@pytest.mark.parametrize("norm", [math.nan, 1.0])
def test_the_rank_that_has_the_utterances_names_them_and_the_others_say_no_more_than_once(norm, monkeypatch, caplog):
    monkeypatch.setattr("speechbrain.utils.logger.if_main_process", lambda: False)

    assert not NonfiniteGuard().accepts([math.nan, 0.5], [("a",), ("b",)], norm, math.nan)
    assert "the utterances a" in caplog.text and "b" not in caplog.messages[-1].split("utterances")[1]
    caplog.clear()
    assert not NonfiniteGuard().accepts([0.5, 0.5], [("a",), ("b",)], norm, math.nan)
    assert caplog.text == ""


def test_a_gradient_that_is_not_finite_is_blamed_on_its_own_utterances_and_on_no_rank(caplog):
    assert not NonfiniteGuard().accepts([0.5], [("a", "b")], math.inf, 0.5)
    assert "a finite loss and the gradient norm inf, with the utterances a, b" in caplog.text
    assert "rank" not in caplog.messages[-1]
