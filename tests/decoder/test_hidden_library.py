"""bitsandbytes is loaded only if weights are quantised, in any order of models."""

import subprocess
import sys

import pytest

ONE_THEN_THE_OTHER = """
import sys
from speechbrain_xser.decoder.llm import add_lora, load_llm

plain = add_lora(load_llm("packaged:llama-tiny", dtype="float32"), r=2)
print("bitsandbytes" in sys.modules)
quantised = add_lora(load_llm("packaged:llama-tiny", dtype="float32", quantization="8bit"), r=2)
print({type(layer).__name__ for layer in quantised.modules() if type(layer).__name__.startswith("Fused")})
"""


@pytest.mark.slow
def test_a_quantised_model_gets_its_own_lora_after_a_plain_one_that_loaded_no_bitsandbytes():
    done = subprocess.run([sys.executable, "-c", ONE_THEN_THE_OTHER], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["False", "{'FusedLinear8bitLt'}"], done.stderr
