"""Loading an LLM, and checks that LLM, tokenizer and prompt fit."""

import re
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.llm import load_llm, load_tokenizer
from speechbrain_xser.decoder.prompt import PromptTemplate
from speechbrain_xser.decoder.quantization import quantized
from speechbrain_xser.decoder.tokens import answer_tokens
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import pair, soft_tokens, with_lora


@pytest.fixture
def llm(llm_folder):
    return load_llm(llm_folder, dtype="float32")


def test_a_folder_without_a_model_is_refused_with_its_path(tmp_path):
    with pytest.raises(BackboneError, match=str(tmp_path)):
        load_llm(str(tmp_path))


def test_a_folder_without_a_tokenizer_is_refused_with_its_path(tmp_path):
    with pytest.raises(BackboneError, match=str(tmp_path)):
        load_tokenizer(str(tmp_path))


def test_an_llm_that_lacks_a_weight_is_refused_by_its_name(llm_folder, tmp_path):
    folder = shutil.copytree(llm_folder, tmp_path / "llm")
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lacks 1 weights \['model.norm.weight'\]"):
        load_llm(str(folder))


def test_torn_weights_are_refused_with_the_path(llm_folder, tmp_path):
    folder = shutil.copytree(llm_folder, tmp_path / "llm")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(BackboneError, match=str(folder)):
        load_llm(str(folder))


def test_an_llm_whose_output_is_tied_to_its_embedding_lacks_nothing(llm_folder, tmp_path):
    config = AutoConfig.from_pretrained(llm_folder, tie_word_embeddings=True)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    assert load_llm(str(tmp_path)).lm_head.weight.isfinite().all()


def test_pickled_weights_are_not_opened(llm_folder, tmp_path):
    load_llm(llm_folder).config.save_pretrained(tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BackboneError, match="safetensors"):
        load_llm(str(tmp_path))


def test_an_unknown_type_is_refused_with_the_known_ones(llm_folder):
    with pytest.raises(BackboneError, match="'int8'.*float32, bfloat16, float16"):
        load_llm(llm_folder, dtype="int8")


def test_without_weights_the_shapes_are_those_of_the_folder(llm_folder, llm):
    with torch.device("meta"):
        shapes = load_llm(llm_folder, load_weights=False)
    assert shapes.device.type == "meta"
    assert [p.shape for p in shapes.parameters()] == [p.shape for p in llm.parameters()]


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_quantised_weights_without_bitsandbytes_name_the_remedy(llm_folder, bits, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.decoder.quantization.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match=f'{bits} weights need .*pip install "bitsandbytes'):
        load_llm(llm_folder, quantization=bits)


def test_four_bits_are_nf4_and_computed_in_the_weights_type():
    config = quantized("4bit", torch.float16)["quantization_config"]
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_compute_dtype) == ("nf4", torch.float16)


@pytest.mark.parametrize("bits, layer, error", [("4bit", "Linear4bit", 0.3), ("8bit", "Linear8bitLt", 0.05)])
@pytest.mark.slow
def test_lora_on_quantised_weights_takes_a_step_and_is_saved_as_trained(tmp_path, bits, layer, error):
    decoder, exact = (LLMDecoder("packaged:llama-tiny", quantization=quantization) for quantization in (bits, None))
    device = decoder.causal.device
    soft = (soft_tokens(counts, width=192) for counts in ([4, 1], [2, 5]))
    content, descriptor = (SoftTokens(tokens.embeddings.to(device), tokens.counts) for tokens in soft)
    assert type(decoder.causal.model.layers[0].mlp.up_proj.base_layer).__name__ == layer
    trained = [parameter for parameter in decoder.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    answers = ["by the door", "kids are talking"]
    both = (one.eval().to(device) for one in (decoder, exact))
    output, expected = (one(pair(content, descriptor), CAPTION, answers).logits for one in both)
    assert (output - expected).float().norm() < error * expected.float().norm()
    decoder.train()(pair(content, descriptor), CAPTION, answers).nats().backward()
    optimizer.step()
    decoder.save_adapter(tmp_path)
    state = {name.removeprefix("llm.").replace(".default", ""): tensor for name, tensor in decoder.state_dict().items()}
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert saved.keys() == state.keys() and len(saved) == 4 * 7 * 2  # A and B of 7 linears in 4 layers
    assert all(torch.equal(saved[name], state[name].cpu()) for name in saved)
    assert all(tensor.isfinite().all() and tensor.any() for tensor in saved.values())  # B was zero before the step
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}


def test_an_unknown_quantization_is_refused(llm_folder):
    with pytest.raises(BackboneError, match="'2bit'.*4bit, 8bit, or null"):
        load_llm(llm_folder, quantization="2bit")


def test_fused_kernels_without_liger_name_the_remedy(llm_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("speechbrain_xser.decoder.kernels.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match='pip install "liger-kernel'):
        load_llm(llm_folder, fused_kernels=True)


def test_fused_kernels_are_put_into_this_llm_without_their_own_loss(llm_folder, monkeypatch):
    asked = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("speechbrain_xser.decoder.kernels.find_spec", lambda name: SimpleNamespace())
    liger = SimpleNamespace(_apply_liger_kernel_to_instance=lambda llm, **options: asked.update(options, llm=llm))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", liger)
    llm = load_llm(llm_folder, fused_kernels=True)
    assert asked == {"llm": llm, "rope": False, "cross_entropy": False, "fused_linear_cross_entropy": False}


def test_checkpointing_gives_the_same_gradients_and_computes_the_layers_twice(llm_folder):
    gradients = {}
    for checkpointing in (False, True):
        decoder = with_lora(LLMDecoder(llm_folder, dtype="float32", checkpointing=checkpointing)).train()
        calls = []
        decoder.causal.model.layers[0].input_layernorm.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        torch.manual_seed(0)
        decoder(pair(soft_tokens([4, 1]), soft_tokens([2, 5])), CAPTION, ["by the door", "no"]).nats().backward()
        gradients[checkpointing] = [parameter.grad for parameter in decoder.parameters() if parameter.requires_grad]
        assert len(calls) == 1 + checkpointing
    for kept, again in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(again, kept)


def test_more_tokens_than_embeddings_are_refused_with_both_numbers(llm, tokenizer):
    rows = len(tokenizer)
    tokenizer.add_tokens(["<new>"])
    with pytest.raises(BackboneError, match=f"{rows + 1} tokens but the LLM only {rows} embeddings"):
        answer_tokens(llm, tokenizer, PromptTemplate())


def test_a_tokenizer_without_llama_3_headers_names_the_chat_style(llm):
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0, "door": 1}, "[UNK]")))
    with pytest.raises(BackboneError, match=r"needs the tokens \['<\|begin_of_text\|>', .*style 'chat'"):
        answer_tokens(llm, words, PromptTemplate())


def test_a_tokenizer_without_an_end_token_is_refused(llm):
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0, "door": 1}, "[UNK]")))
    with pytest.raises(BackboneError, match="no EOS token"):
        answer_tokens(llm, words, PromptTemplate(style="chat"))


def test_answers_end_at_every_end_token_that_the_model_names(llm, tokenizer):
    llm.generation_config = GenerationConfig(eos_token_id=[1, 7])
    llm.config.eos_token_id = 9
    tokens = answer_tokens(llm, tokenizer, PromptTemplate())
    assert tokens.eos == tuple(sorted({1, 7, 9, tokenizer.convert_tokens_to_ids("<|eot_id|>")}))


def test_training_ends_a_llama_3_answer_with_the_end_of_turn(llm, tokenizer):
    tokenizer.eos_token = "<|end_header_id|>"
    tokens = answer_tokens(llm, tokenizer, PromptTemplate())
    assert tokens.end == tokenizer.convert_tokens_to_ids("<|eot_id|>")


def test_padding_that_would_end_an_answer_is_replaced_by_a_token_that_ends_none(llm, tokenizer):
    """As in Qwen, where the token that pads ends an answer too, and no token is reserved."""
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|eot_id|>", "<|pad|>", "<unk>")]
    llm.generation_config = GenerationConfig(eos_token_id=ends)
    tokens = answer_tokens(llm, tokenizer, PromptTemplate())
    assert set(ends) <= set(tokens.eos) and tokens.pad not in tokens.eos
    assert tokens.pad in tokenizer.get_vocab().values()


def test_padding_never_reaches_the_llm(llm_folder):
    """A row that is answered beside a longer one is fed padding: whichever token that is, its answer is the same."""
    decoder = with_lora(LLMDecoder(llm_folder, dtype="float32", max_new_tokens=12)).eval()
    answers = set()
    for pad in (decoder.pad_id, 7, 300):
        decoder.tokens = decoder.tokens._replace(pad=pad)
        rows = pair(soft_tokens([4, 1, 7], seed=1), soft_tokens([2, 5, 3], seed=2))
        answers.add(tuple(decoder.generate(rows, CAPTION)))
    assert len(answers) == 1


@pytest.mark.parametrize("token", ["<nothing>", "<|eot_id|>"])
def test_a_pad_token_that_is_unknown_or_ends_an_answer_is_refused_with_the_remedy(llm, tokenizer, token):
    with pytest.raises(BackboneError, match=rf"'{re.escape(token)}'.*give pad_token, an existing token"):
        answer_tokens(llm, tokenizer, PromptTemplate(), pad_token=token)


def test_a_pad_token_can_be_chosen(llm_folder):
    decoder = LLMDecoder(llm_folder, pad_token="<|start_header_id|>")
    assert decoder.pad_id == decoder.tokenizer.convert_tokens_to_ids("<|start_header_id|>")


def test_no_token_is_added_to_the_vocabulary(llm_folder):
    decoder = LLMDecoder(llm_folder)
    assert len(decoder.tokenizer) == len(AutoTokenizer.from_pretrained(llm_folder))
    assert decoder.causal.get_input_embeddings().weight.shape[0] == len(decoder.tokenizer)
