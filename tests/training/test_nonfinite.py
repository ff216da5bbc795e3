"""Which rank says what of a step that is skipped."""

import math

import pytest

from speechbrain_xser.training.nonfinite import NonfiniteGuard


@pytest.mark.parametrize("norm", [math.nan, 1.0])
def test_the_utterances_are_named_on_whatever_rank_they_are(norm, monkeypatch, caplog):
    other = [(math.nan, ("c",)), (0.5, ("d",))]
    monkeypatch.setattr("speechbrain_xser.training.nonfinite.gather_lists", lambda own: [*own, *other])

    assert not NonfiniteGuard().accepts([0.5, 0.5], [("a",), ("b",)], norm, math.nan)
    assert caplog.messages[-1].endswith("a loss that is not finite, with the utterances c.")


def test_a_gradient_that_is_not_finite_is_blamed_on_its_own_utterances_and_on_no_rank(caplog):
    assert not NonfiniteGuard().accepts([0.5], [("a", "b")], math.inf, 0.5)
    assert "a finite loss and the gradient norm inf, with the utterances a, b" in caplog.text
    assert "rank" not in caplog.messages[-1]
