"""bfloat16 on CPUs with and without instructions for it, and one half precision with weights in the other."""

import functools
import warnings

import pytest
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training import precision
from speechbrain_xser.training.command import run
from tests.training.runner import tiny_data, tiny_hparams


@pytest.mark.parametrize("capability, told", [("AVX2", True), ("NO AVX", True), ("AVX512", False), ("SVE256", False)])
def test_a_cpu_that_emulates_bfloat16_is_named_with_the_way_out(monkeypatch, capability, told):
    monkeypatch.setattr(precision, "_capability", lambda: capability)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        precision.warn_if_emulated("bf16", "cpu")
        precision.warn_if_emulated("bf16", "cuda:0")
        precision.warn_if_emulated("fp32", "cpu")
    assert ["--precision=fp32" in str(one.message) for one in found] == [True] * told


@pytest.mark.parametrize("option", ["precision", "eval_precision"])
@pytest.mark.parametrize("asked, dtype, way_out", [("fp16", "bfloat16", "bf16"), ("bf16", "float16", "fp16")])
def test_one_half_precision_with_an_llm_in_the_other_is_refused_before_it_is_loaded(
    tmp_path, monkeypatch, option, asked, dtype, way_out
):
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run")
    decoder = hparams["model"].keywords["decoder"]
    keywords = {**hparams["model"].keywords, "decoder": functools.partial(decoder, dtype=dtype)}
    hparams["model"] = functools.partial(hparams["model"].func, **keywords)
    monkeypatch.setattr("speechbrain_xser.training.command.make_model", lambda _: pytest.fail("it was loaded"))
    with pytest.raises(SettingsError, match=f"--{option}={asked} .*{dtype}.*--{option}={way_out}, or --llm_dtype="):
        run({**hparams, option: asked}, RunOptions.from_dictionary({"device": "cpu"}))
