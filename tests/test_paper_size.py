"""The paper's configuration, from its YAML, at full size on the meta device; every number is arithmetic by hand."""

import json
import socket
from pathlib import Path

import pytest
import torch

from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.model_folder.lobes import plain
from speechbrain_xser.model_folder.settings import flat
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
from speechbrain_xser.testing import tiny_llm_folder
from speechbrain_xser.training.optimizers import stage_parameters
from speechbrain_xser.training.recipe_yaml import load_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "SpeechCraft" / "hparams" / "train.yaml"

HUBERT_LARGE = {
    "model_type": "hubert",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "eos_token_id": [128001, 128008, 128009],
}

MIX = 24
BRANCH_ENCODER = 2 * (1024 + 1) * 1024  # two linears of the encoder's width
BRANCH_HEAD = (1024 + 1) * 2 * 128  # mean and deviation
ADAPTER = (5 * 128 + 1) * 2048 + (2048 + 1) * 4096
BRANCH = MIX + BRANCH_ENCODER + BRANCH_HEAD + ADAPTER
LORA_LAYER = 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336))  # q o, k v, gate up down
LORA = 41_943_040


def load(**overrides):
    given = {"data_folder": "nowhere", **{key: json.dumps(value) for key, value in overrides.items()}}
    return load_recipe(RECIPE, given)[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    for name, config in (("encoder", HUBERT_LARGE), ("llm", LLAMA_8B)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    load_tokenizer(tiny_llm_folder(folder / "tiny")).save_pretrained(folder / "llm")
    sources = {"encoder_source": str(folder / "encoder"), "llm_source": str(folder / "llm")}
    with torch.device("meta"):
        return load(**sources, load_weights=False)["model"]()


def count(parameters):
    return sum(parameter.numel() for parameter in parameters)


@pytest.mark.slow
def test_everything_is_on_the_meta_device(model):
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_the_llm_has_8_billion_parameters_in_bfloat16(model):
    embeddings = 2 * 128256 * 4096 + 4096
    layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336) + 2 * 4096
    base = {name: p for name, p in model.decoder.named_parameters() if ".lora_" not in name}
    assert count(base.values()) == embeddings + 32 * layer == 8_030_261_248
    assert {parameter.dtype for parameter in base.values()} == {torch.bfloat16}


def test_the_encoder_has_315_million_parameters_none_of_which_trains(model):
    assert round(count(model.encoder.parameters()) / 1e6) == 315
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())


def test_lora_of_rank_16_on_seven_linears_has_42_million_parameters_in_float32(model):
    lora = [parameter for name, parameter in model.decoder.named_parameters() if ".lora_" in name]
    assert count(lora) == 32 * LORA_LAYER == LORA
    assert {parameter.dtype for parameter in lora} == {torch.float32}


@pytest.mark.parametrize("branch", ["content", "descriptor"])
def test_an_adapter_has_640_inputs_2048_hidden_units_and_the_llms_width(model, branch):
    assert count(model.branches[branch].adapter.parameters()) == ADAPTER == 9_705_472


@pytest.mark.parametrize("branch", ["content", "descriptor"])
def test_a_bottleneck_is_layer_weights_two_linears_and_a_head(model, branch):
    assert count(model.branches[branch].bottleneck.parameters()) == MIX + BRANCH_ENCODER + BRANCH_HEAD == 2_361_624


@pytest.mark.parametrize(
    "stage, branch", [(ASR_STAGE, "content"), (SER_STAGE, "descriptor")], ids=["stage 1", "stage 2"]
)
def test_a_stage_trains_its_own_branch_and_lora_and_nothing_else(model, stage, branch):
    trained = stage_parameters(model, stage)
    assert count(trained.values()) == BRANCH + LORA == 54_010_136
    assert {name.removeprefix("branches.").split(".")[0] for name in trained} == {branch, "decoder"}
    assert all(".lora_" in name for name in trained if name.startswith("decoder."))


def test_a_checkpoint_holds_both_branches_and_lora(model):
    assert count(model.state_dict().values()) == 2 * BRANCH + LORA == 66_077_232


def test_four_seconds_are_199_frames_and_39_soft_tokens_of_each_branch(model):
    frames = model.encoder.frame_counts(torch.tensor([64000], device="cpu"))
    assert frames.tolist() == [199]  # (64000 - 400) // 320 + 1
    assert model.branches.content.adapter.token_counts(frames).tolist() == [39]


def test_loading_the_yaml_opens_no_connection_and_builds_nothing(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the YAML reached for a network or a model")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr("speechbrain_xser.lobes.encoder.FrozenEncoder.__init__", refuse)
    monkeypatch.setattr("speechbrain_xser.decoder.decoder.LLMDecoder.__init__", refuse)
    assert load()["model"].keywords["decoder"].keywords["source"] == "meta-llama/Llama-3.1-8B-Instruct"


def test_the_recipe_holds_the_papers_values():
    hparams = load()
    merged = {**hparams["training"], **hparams["architecture"], **hparams}
    expected = {
        "order": "alternating",
        "epochs_per_stage": 4,
        "batch_size": 8,
        "stage1_learning_rate": 2e-4,
        "stage1_rate_shape": "constant",
        "stage2_learning_rate": 2e-5,
        "stage2_rate_shape": "cosine",
        "warmup_fraction": 0.03,
        "max_grad_norm": 1.0,
        "beta": 1e-3,
        "latent": 128,
        "stack": 5,
        "adapter_hidden": 2048,
        "level_feature": False,
        "sigma_is_variance": False,
        "encoder_source": "facebook/hubert-large-ls960-ft",
    }
    assert {key: merged[key] for key in expected} == expected


@pytest.mark.parametrize(
    "overrides, key, value",
    [
        ({"latent": 32}, "latent", "32"),
        ({"lora": {"r": 8}}, "lora.r", "8"),
        ({"lora": {"r": 8}}, "lora.alpha", "32"),
        ({"lora": None}, "lora", "None"),
        ({"level_feature": True}, "descriptor.bottleneck.level_feature", "True"),
        ({"architecture": {"adapter_hidden": 512}}, "adapter.hidden", "512"),
        ({"architecture": {"prompt_style": "chat"}}, "template.style", "chat"),
        ({"architecture": {"branches": {"content": {"bottleneck": {"latent": 7}}}}}, "content.bottleneck.latent", "7"),
    ],
)
def test_every_value_of_the_architecture_can_be_overridden(overrides, key, value):
    lobes = dict(flat(plain(load(**overrides)["model"].keywords)))
    [found] = {str(found) for name, found in lobes.items() if name.endswith(key)}
    assert found == value


def test_values_that_only_the_included_training_file_lists_can_be_overridden():
    assert load(training={"num_workers": 7})["training"]["num_workers"] == 7
