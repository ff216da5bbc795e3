"""Peaks beside those of scipy."""

import numpy as np
import pytest
from scipy import signal

from speechbrain_xser.annotator.peaks import find_peaks


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("whole", [True, False])
def test_they_are_those_of_scipy_with_and_without_flat_tops(seed, whole):
    walk = np.random.default_rng(seed).normal(size=300).cumsum().astype(np.float32)
    values = walk.round() if whole else walk
    for height, prominence in ((-99.0, 0.0), (values.max() - 6, 1.0), (-99.0, 2.5)):
        expected, _ = signal.find_peaks(values, height=height, prominence=prominence)
        assert find_peaks(values, height, prominence).tolist() == expected.tolist()


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [0.0, 1.0], [3.0, 2.0, 3.0]])
def test_an_end_is_no_peak(values):
    assert find_peaks(np.array(values), -9.0, 0.0).tolist() == []
