"""bfloat16 on CPUs with and without instructions for it."""

import warnings

import pytest

from speechbrain_xser.training import precision


@pytest.mark.parametrize("capability, told", [("AVX2", True), ("NO AVX", True), ("AVX512", False), ("SVE256", False)])
def test_a_cpu_that_emulates_bfloat16_is_named_with_the_way_out(monkeypatch, capability, told):
    monkeypatch.setattr(precision, "_capability", lambda: capability)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        precision.warn_if_emulated("bf16", "cpu")
        precision.warn_if_emulated("bf16", "cuda:0")
        precision.warn_if_emulated("fp32", "cpu")
    assert ["--precision=fp32" in str(one.message) for one in found] == [True] * told
