"""Noise of rows that have seeds of their own."""

import pytest
import torch

from speechbrain_xser.lobes.noise import gaussian_noise, noise_by_row


def drawn(seeds, calls=1, frames=(40, 30)):
    with noise_by_row(seeds):
        return [gaussian_noise(torch.zeros(len(frames), 40, 8), torch.tensor(frames)) for _ in range(calls)]


def test_two_bottlenecks_of_one_pass_draw_other_noise_and_the_next_pass_draws_the_same():
    first, second = drawn([11, 77], calls=2)
    again = drawn([11, 77], calls=2)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    assert abs(float(torch.corrcoef(torch.stack([first[0].flatten(), second[0].flatten()]))[0, 1])) < 0.2
    assert first[1, 30:].abs().max() == 0 < first[1, :30].abs().max()
    assert float(first[0].std()) == pytest.approx(1, abs=0.15)


def test_without_seeds_the_noise_is_torch_s_and_a_number_that_does_not_fit_is_refused():
    torch.manual_seed(3)
    [found] = drawn([])
    torch.manual_seed(3)
    assert torch.equal(found, torch.randn(2, 40, 8))
    with pytest.raises(ValueError, match="3 seeds for the noise of 2 rows"):
        drawn([1, 2, 3])
