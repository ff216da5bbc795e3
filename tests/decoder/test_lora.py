"""LoRA: its scale, its types, merging, saving for plain PEFT, and what is in a checkpoint."""

import copy
import json
import pickle

import pytest
import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import Linear
from torch import nn
from transformers import LlamaForCausalLM

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.lora import FusedLoraLinear, SharedDropout
from speechbrain_xser.errors import BackboneError, CheckpointError, SettingsError
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import pair, soft_tokens, with_lora

CONTENT, DESCRIPTOR = soft_tokens([4, 1], seed=1), soft_tokens([2, 5], seed=2)
TOKENS = pair(CONTENT, DESCRIPTOR)
ANSWERS = ["the way he talks about people", "kids are talking"]


def logits_of(decoder):
    with torch.no_grad():
        return decoder(TOKENS, CAPTION, ANSWERS).logits


def test_lora_changes_the_logits_of_this_decoder(llm_folder, decoder):
    untrained = LLMDecoder(llm_folder, dtype="float32").eval()
    assert (logits_of(decoder) - logits_of(untrained)).abs().max() > 1e-2


def test_a_linear_with_lora_is_wx_plus_alpha_over_r_times_bax(llm_folder, plain):
    decoder = with_lora(LLMDecoder(llm_folder, dtype="float32", lora={"r": 4, "alpha": 12})).eval()
    layer = decoder.causal.model.layers[1].mlp.down_proj
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x = torch.randn(3, 64)
    expected = x @ plain.model.layers[1].mlp.down_proj.weight.T + 3.0 * (x @ down.T) @ up.T
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_the_papers_lora_is_on_seven_linears_of_each_layer(decoder):
    names = {name.split(".lora_")[0].split("layers.")[1] for name in decoder.state_dict()}
    linears = [f"self_attn.{one}_proj" for one in "qkvo"] + [f"mlp.{one}_proj" for one in ("gate", "up", "down")]
    assert names == {f"{layer}.{linear}" for layer in (0, 1) for linear in linears}


def test_a_target_that_no_layer_has_is_refused_with_the_linears_there_are(llm_folder):
    with pytest.raises(BackboneError, match=r"\['query_key_value'\].*'down_proj', 'gate_proj'"):
        LLMDecoder(llm_folder, lora={"targets": ["q_proj", "query_key_value"]})


def test_merging_gives_the_same_logits_and_leaves_no_lora(decoder):
    before = logits_of(decoder)
    decoder.merge()
    torch.testing.assert_close(logits_of(decoder), before, atol=1e-4, rtol=0)
    assert type(decoder.llm) is LlamaForCausalLM and not decoder.state_dict()


def test_plain_peft_loads_the_saved_adapter_with_the_same_logits(tmp_path, decoder, plain):
    decoder.save_adapter(tmp_path)
    loaded = PeftModel.from_pretrained(plain, tmp_path).eval()
    states = torch.randn(2, 6, 32)
    with torch.no_grad():
        expected = decoder.causal(inputs_embeds=states).logits
        torch.testing.assert_close(loaded(inputs_embeds=states).logits, expected, atol=1e-4, rtol=0)
        assert (expected - loaded.unload()(inputs_embeds=states).logits).abs().max() > 1e-2


def test_the_adapter_folder_is_json_and_safetensors_and_names_its_base(tmp_path, decoder, llm_folder):
    decoder.save_adapter(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], config["lora_alpha"]) == (llm_folder, 16, 32)


def test_saving_a_merged_adapter_is_refused(tmp_path, decoder):
    decoder.merge()
    with pytest.raises(CheckpointError, match="merged"):
        decoder.save_adapter(tmp_path)


def test_lora_is_float32_on_a_bfloat16_base(llm_folder):
    decoder = LLMDecoder(llm_folder, dtype="bfloat16")
    types = {(".lora_" in name, parameter.dtype) for name, parameter in decoder.named_parameters()}
    assert types == {(True, torch.float32), (False, torch.bfloat16)}


@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
def test_a_bfloat16_base_trains_inside_autocast_and_outside(llm_folder, decoder, autocast):
    half = with_lora(LLMDecoder(llm_folder, dtype="bfloat16")).eval()
    with torch.autocast("cpu", autocast, enabled=autocast is not None):
        output = half(TOKENS, CAPTION, ANSWERS)
        nn.functional.cross_entropy(output.logits.float(), output.targets).backward()
        assert half.generate(TOKENS, CAPTION, max_new_tokens=3)
    torch.testing.assert_close(output.logits.float(), logits_of(decoder), atol=0.05, rtol=0.05)
    gradients = [parameter.grad for name, parameter in half.named_parameters() if "lora_A" in name]
    assert all(gradient.dtype == torch.float32 and gradient.abs().sum() > 0 for gradient in gradients)


def test_a_decoder_without_lora_has_nothing_to_train_and_nothing_to_save(llm_folder, tmp_path, plain):
    bare = LLMDecoder(llm_folder, dtype="float32", lora=None).eval()
    assert not bare.state_dict() and not any(parameter.requires_grad for parameter in bare.parameters())
    assert bare.load_state_dict({}).missing_keys == []
    assert bare.generate(TOKENS, CAPTION, max_new_tokens=3)
    with pytest.raises(CheckpointError, match="lora: null"):
        bare.save_adapter(tmp_path)


def test_a_checkpoint_holds_lora_and_nothing_of_the_base(decoder):
    saved = nn.ModuleDict({"decoder": decoder}).state_dict()
    assert len(saved) == 2 * 7 * 2 and all(".lora_" in name for name in saved)


def test_lora_is_in_the_checkpoint_although_it_is_frozen(decoder):
    decoder.requires_grad_(False)
    assert len(decoder.state_dict()) == 28


def test_a_checkpoint_loads_strictly_inside_a_larger_model(llm_folder, decoder):
    other = nn.ModuleDict({"decoder": LLMDecoder(llm_folder, dtype="float32").eval()})
    other.load_state_dict(nn.ModuleDict({"decoder": decoder}).state_dict(), strict=True)
    torch.testing.assert_close(logits_of(other["decoder"]), logits_of(decoder))


def test_a_missing_lora_tensor_is_named(decoder):
    state = decoder.state_dict()
    gone = state.popitem()[0]
    with pytest.raises(RuntimeError, match="Missing key.*" + gone.replace(".", r"\.")):
        decoder.load_state_dict(state)


def test_a_checkpoint_of_another_rank_is_refused_by_name(llm_folder, decoder):
    with pytest.raises(RuntimeError, match=r"size mismatch for .*lora_A.*\[4, 32\].*\[16, 32\]"):
        decoder.load_state_dict(LLMDecoder(llm_folder, dtype="float32", lora={"r": 4}).state_dict())


@pytest.mark.slow
def test_weights_of_the_base_in_a_checkpoint_are_refused_and_not_copied(decoder):
    key = next(name for name, _ in decoder.named_parameters() if ".lora_" not in name)
    base = dict(decoder.named_parameters())[key]
    before = base.clone()
    with pytest.raises(RuntimeError, match="Unexpected key.*" + key.replace(".", r"\.")):
        decoder.load_state_dict({**decoder.state_dict(), key: torch.zeros_like(base)})
    assert torch.equal(base, before)


def linear(kind=torch.float32):
    """A linear with LoRA, whose B is not zero."""
    torch.manual_seed(0)
    layer = FusedLoraLinear(nn.Linear(6, 5).to(kind), "default", config=LoraConfig(r=2), r=2, lora_alpha=6)
    nn.init.normal_(layer.lora_B["default"].weight)
    return layer.eval()


X = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))


def test_what_inference_kept_serves_a_pass_with_gradients():
    layer, x = linear(), X.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        with torch.inference_mode():
            expected = layer(X)
        found = layer(x)
    found.float().sum().backward()
    assert torch.equal(found.detach(), expected) and x.grad.abs().sum() > 0


def test_a_model_that_is_made_in_inference_mode_answers_and_follows_its_matrices():
    with torch.inference_mode():
        layer = linear()
        torch.testing.assert_close(layer(X), Linear.forward(layer, X))
        layer.lora_B["default"].weight.mul_(3)  # an inference tensor does not say so
        torch.testing.assert_close(layer(X), Linear.forward(layer, X))


def test_dropout_draws_for_what_inference_mode_made():
    with torch.inference_mode():
        assert SharedDropout()(torch.ones(64), 0.5).kept.shape == (64,)


@pytest.mark.parametrize("gradients", [False, True])
def test_a_float32_input_of_a_bfloat16_base_is_computed_in_float32(gradients):
    layer = linear(torch.bfloat16)
    weight, bias = layer.base_layer.weight.float(), layer.base_layer.bias.float()
    down, up = (part["default"].weight.float() for part in (layer.lora_A, layer.lora_B))
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(layer(X), X @ weight.T + bias + 3.0 * X @ down.T @ up.T)


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_merging_into_quantised_weights_is_refused_with_the_remedy_and_nothing_is_lost(llm_folder, quantization):
    decoder = with_lora(LLMDecoder(llm_folder, dtype="float32", quantization=quantization)).eval()
    before = logits_of(decoder)
    with pytest.raises(SettingsError, match=f"Linear{quantization[0]}bit.*Leave --fast or merge=True out.*xser export"):
        decoder.merge()
    assert torch.equal(logits_of(decoder), before)


@pytest.mark.parametrize("quantization", [None, "4bit", "8bit"])
@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy], ids=["pickle", "copy"])
def test_a_decoder_can_be_pickled_and_copied(llm_folder, quantization, again):
    decoder = with_lora(LLMDecoder(llm_folder, dtype="float32", quantization=quantization)).eval()
    assert torch.equal(logits_of(again(decoder)), logits_of(decoder))
