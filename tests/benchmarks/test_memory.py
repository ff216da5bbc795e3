"""What a step needs at the paper's size, counted without a card; and the presets that promise to fit one."""

from pathlib import Path

import pytest
import torch

from benchmarks.memory import sized_bytes
from benchmarks.sizes import PAPER
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.run import merged

pytestmark = pytest.mark.slow

RECIPE = Path(__file__).parents[2] / "recipes" / "SpeechCraft" / "hparams" / "train.yaml"
WORKING = 1.5e9  # one layer computed anew, for the longest clips
CARD = 24e9


@pytest.mark.parametrize("stage", [ASR_STAGE, SER_STAGE])
def test_the_papers_batch_fits_29_gigabytes(stage):
    assert sum(sized_bytes(PAPER, clips=8, stage=stage)) <= 29e9


def test_weights_gradients_and_moments_are_those_of_arithmetic():
    branch = 24 + 2 * 1025 * 1024 + 1025 * 256 + 641 * 2048 + 2049 * 4096
    trained = 2 * branch + 41_943_040  # LoRA of rank 16 on seven linears
    frozen = 8_030_261_248 + 315_439_008 - 1024  # Llama-3.1-8B; HuBERT-large with its weight norm folded in
    found = sized_bytes(PAPER, clips=1).static
    assert found == pytest.approx(2 * frozen + 16 * trained, rel=1e-3)


@pytest.mark.parametrize("preset", ["24gb_checkpointing", "24gb_4bit"])
def test_a_preset_fits_its_card_with_the_longest_clips(preset):
    hparams = merged(load_recipe(RECIPE, f"data_folder: nowhere\nmemory: {preset}")[0])
    architecture = hparams["architecture"]
    assert architecture["encoder_dtype"] == "bfloat16"
    assert hparams["batch_size"] * hparams["grad_accumulation_factor"] == 8  # the paper's step
    found = sized_bytes(
        PAPER,
        clips=hparams["batch_size"],
        seconds=hparams["max_seconds"],
        quantization=architecture["quantization"],
        checkpointing=architecture["checkpointing"],
    )
    assert sum(found) + WORKING <= CARD


def test_nothing_was_computed_to_count(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "item", lambda self: pytest.fail("a value was read"))
    assert sized_bytes(PAPER, clips=1).kept > 0
