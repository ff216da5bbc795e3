"""Families of LLMs: tiny random models of each give the loss and the gradients of transformers and PEFT."""

import copy
import pickle

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3Config, Gemma3ForConditionalGeneration

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.llm import LINEARS, load_llm, load_tokenizer
from speechbrain_xser.decoder.packing.cross_entropy import chunked_cross_entropy
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import FAMILIES, GROUPED, other_llm_folder, with_lora
from tests.decoder.peft_by_rows import ANSWERS, TOKENS, peft_reference

TARGETS = {
    "phi3": ("qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
    "gpt_neox": ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
}


@pytest.fixture
def made(request, tmp_path, llm_folder):
    """A decoder of a family, with LoRA that is not zero, and the same LLM as transformers loads it."""
    folder = other_llm_folder(tmp_path, request.param, llm_folder)
    targets = TARGETS.get(request.param, LINEARS)
    lora = {"r": 16, "alpha": 32, "dropout": 0.05, "targets": targets}
    decoder = with_lora(LLMDecoder(folder, dtype="float32", lora=lora), scale=0.3).eval()
    return decoder, AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.mark.parametrize("made", FAMILIES, indirect=True)
def test_a_packed_step_in_chunks_has_the_loss_and_the_lora_gradients_of_plain_peft(made):
    decoder, plain = made
    loss, expected = peft_reference(plain, decoder)
    output = decoder(TOKENS, CAPTION, ANSWERS)
    nats = chunked_cross_entropy(output.states, output.head, output.targets, logits=3 * decoder.vocabulary)
    nats.backward()
    torch.testing.assert_close(nats, loss, rtol=1e-6, atol=0)
    for name, parameter in decoder.named_parameters():
        if ".lora_" in name:
            wanted = expected[name.removeprefix("llm.")]
            assert (parameter.grad - wanted).norm() <= 1e-5 * wanted.norm(), name


@pytest.mark.parametrize("made", FAMILIES, indirect=True)
def test_the_last_layer_of_a_family_is_computed_only_where_a_token_is_predicted(made):
    decoder, seen = made[0], []
    decoder.causal.base_model.layers[-1].mlp.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    with torch.no_grad():
        decoder(TOKENS, CAPTION, ANSWERS)
    assert seen == [sum(map(len, decoder.answer_tokens(ANSWERS)))]


@pytest.mark.parametrize("made", sorted(FAMILIES.keys() - {"cohere"}), indirect=True)
def test_the_logits_of_a_known_family_never_exist_at_once(made):
    decoder, rows = made[0], []
    decoder.causal.get_output_embeddings().register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    output = decoder(TOKENS, CAPTION, ANSWERS)
    assert rows == [] and output.states.shape[-1] == decoder.width


def test_a_pruned_layer_is_copied_and_pickled_as_it_is(llm_folder):
    llm = load_llm(llm_folder, dtype="float32")
    ids = torch.tensor([[1, 5, 7]])
    for again in (copy.deepcopy(llm), pickle.loads(pickle.dumps(llm))):
        assert type(again.model.layers[-1]) is type(llm.model.layers[-1]) is not type(llm.model.layers[0])
        assert torch.equal(again(ids).logits, llm(ids).logits)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory, llm_folder):
    """A tiny Gemma 3 of the kind of 4B and more: an LLM and a vision tower, whose linears have the same names."""
    folder, tokenizer = tmp_path_factory.mktemp("gemma3"), load_tokenizer(llm_folder)
    text = {**GROUPED, "head_dim": 8, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    size = {"image_size": 28, "patch_size": 14}
    torch.manual_seed(1)
    config = Gemma3Config(text_config=text, vision_config={**vision, **size}, mm_tokens_per_image=4)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_of_an_llm_that_also_sees_the_llm_alone_is_loaded_with_its_own_weights(seeing):
    decoder, ids = LLMDecoder(seeing, dtype="float32"), torch.tensor([[2, 5, 7, 9]])
    whole = Gemma3ForConditionalGeneration.from_pretrained(seeing).eval()
    assert not [name for name, _ in decoder.named_modules() if "vision" in name]
    with torch.no_grad():
        torch.testing.assert_close(decoder.eval().causal(ids).logits, whole(input_ids=ids).logits)


def test_an_llm_that_also_sees_has_the_context_of_its_text_and_lora_in_no_other_part(seeing):
    decoder = LLMDecoder(seeing, dtype="float32")
    linears = {name.rsplit(".lora_", 1)[0] for name, _ in decoder.named_parameters() if ".lora_" in name}
    assert decoder.context == 1024
    assert len(linears) == 2 * 7  # of two layers
