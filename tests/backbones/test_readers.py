"""Models read from other programs' files compute what their source models compute."""

import json

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, WhisperForConditionalGeneration, WhisperProcessor

from speechbrain_xser.backbones.ctranslate2 import read_model
from speechbrain_xser.backbones.llama import convert_llama
from speechbrain_xser.backbones.whisper_weights import convert_whisper
from speechbrain_xser.errors import BackboneError
from tests.backbones.blocks import by_hand, rounded
from tests.backbones.fakes import (
    llama,
    whisper,
    whisper_variables,
    write_ctranslate2,
    write_gguf,
    write_whisper,
)

QUERY = "decoder/layer_0/self_attention/linear_0"


def converted(convert, tmp_path):
    (tmp_path / "made").mkdir()
    convert(tmp_path / "given", tmp_path / "made")
    return tmp_path / "made"


@torch.no_grad()
def test_a_whisper_of_ctranslate2_has_the_logits_of_the_model_that_it_was_made_from(tmp_path):
    model = whisper()
    write_whisper(tmp_path / "given", whisper_variables(model))
    read, report = WhisperForConditionalGeneration.from_pretrained(
        converted(convert_whisper, tmp_path), dtype=torch.float32, output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    heard = {"input_features": torch.randn(1, 16, 3000), "decoder_input_ids": torch.tensor([[1, 3, 40, 50]])}
    torch.testing.assert_close(read(**heard).logits, model(**heard).logits)


def test_a_whisper_keeps_its_type_and_comes_with_what_its_decoder_needs(tmp_path):
    write_whisper(tmp_path / "given", whisper_variables(whisper()))
    folder = converted(convert_whisper, tmp_path)
    assert {values.dtype for values in load_file(folder / "model.safetensors").values()} == {torch.float16}
    processor = WhisperProcessor.from_pretrained(folder)
    assert processor.feature_extractor.feature_size == 16 and processor.feature_extractor.sampling_rate == 16000
    ids = processor.tokenizer("a b", add_special_tokens=False).input_ids
    assert len(ids) == 3 and processor.decode([1, 3, *ids, 0], skip_special_tokens=True) == "a b"
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["decoder_start_token_id"] == 1 and generation["no_timestamps_token_id"] == 3
    assert generation["suppress_tokens"] == [2] and generation["max_length"] == 20


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        (f"{QUERY}/weight", np.ones((48, 16), np.int8), f"{QUERY}/weight is quantised"),
        (f"{QUERY}/weight_scale", np.ones(48, np.float32), f"{QUERY}/weight_scale is no variable"),
        (f"{QUERY}/bias", np.ones(48, np.float16), "self_attn.k_proj.bias is not zero"),
        ("encoder/layer_0/elsewhere/weight", np.ones(2, np.float16), "encoder/layer_0/elsewhere/weight is no variable"),
        ("encoder/conv3/scale", np.ones(2, np.float16), "encoder/conv3/scale is no variable"),
    ],
)
def test_a_whisper_of_another_kind_is_refused_by_the_variable(tmp_path, name, values, told):
    write_whisper(tmp_path / "given", {**whisper_variables(whisper()), name: values})
    with pytest.raises(BackboneError, match=told):
        converted(convert_whisper, tmp_path)


def test_another_model_of_ctranslate2_is_refused(tmp_path):
    write_whisper(tmp_path / "given", {})
    write_ctranslate2(tmp_path / "given" / "model.bin", {"decoder/embeddings/weight": np.ones(2, np.float16)}, "Other")
    with pytest.raises(BackboneError, match="holds a Other, expected a WhisperSpec"):
        converted(convert_whisper, tmp_path)


@pytest.mark.parametrize("kind", ["float32", "float16", "int32", "int16", "int8"])
def test_a_variable_has_one_value_under_both_its_names(tmp_path, kind):
    values = np.arange(-3, 3).reshape(2, 1, 3).astype(kind)
    write_ctranslate2(tmp_path / "model.bin", {"decoder/embeddings/weight": values, "n": np.int8(7)})
    read = read_model(tmp_path / "model.bin")
    assert read.specification == "WhisperSpec" and read.revision == 3 and int(read.variables["n"]) == 7
    for name in ("decoder/embeddings/weight", "decoder/projection/weight"):
        assert read.variables[name].dtype == kind and read.variables[name].tolist() == values.tolist()


@pytest.mark.parametrize("length", [0, 3, 30, 100, -1])
def test_a_file_that_was_cut_off_is_named(tmp_path, length):
    path = tmp_path / "model.bin"
    write_ctranslate2(path, {"decoder/embeddings/weight": np.ones((10, 4), np.float32)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BackboneError, match=r"model.bin: cannot be read as a CTranslate2 model of binary version 6"):
        read_model(path)


def test_another_version_of_the_format_is_refused(tmp_path):
    write_ctranslate2(tmp_path / "model.bin", {"decoder/embeddings/weight": np.ones(2, np.float32)}, version=5)
    with pytest.raises(BackboneError, match="its version is 5"):
        read_model(tmp_path / "model.bin")


@torch.no_grad()
def test_a_llama_of_gguf_has_the_logits_of_the_model_that_it_was_made_from(tmp_path):
    model = llama()
    write_gguf(tmp_path / "given" / "a.gguf", model)
    folder = converted(convert_llama, tmp_path)
    read, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert not hasattr(read.config, "quantization_config") and read.config.rms_norm_eps == 1e-5
    ids = torch.tensor([[1, 40, 50, 60, 70]])
    torch.testing.assert_close(read(ids).logits, model(ids).logits)


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0"])
def test_a_quantised_matrix_is_what_its_blocks_stand_for_in_bfloat16(tmp_path, kind):
    path, name = tmp_path / "given" / "a.gguf", "model.layers.1.mlp.up_proj.weight"
    write_gguf(path, llama(), kind)
    (tensor,) = (tensor for tensor in GGUFReader(path).tensors if tensor.name == "blk.1.ffn_up.weight")
    read, original = load_file(converted(convert_llama, tmp_path) / "model.safetensors"), llama().state_dict()
    assert tensor.tensor_type.name == kind
    assert np.array_equal(read[name].float().numpy(), rounded(by_hand(tensor.data, kind)))
    assert (read[name].float() - original[name]).abs().max() < 0.1  # half a step of 15 in a block's spread is 0.07


def test_its_tokenizer_cuts_digits_as_llama_cpp_does_and_chats(tmp_path):
    write_gguf(tmp_path / "given" / "a.gguf", llama())
    tokenizer = AutoTokenizer.from_pretrained(converted(convert_llama, tmp_path))
    assert tokenizer("in 12<|im_end|>").tokens() == ["in", "Ġ", "1", "2", "<|im_end|>"]  # never "Ġ1"
    assert tokenizer.decode(tokenizer("in 12 \u8a71").input_ids) == "in 12 \u8a71"
    special = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token, tokenizer.pad_token)
    assert special == ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_end|>")
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert chat == "<|im_start|>user\nHi<|im_end|>\n"


def test_a_tokenizer_without_special_cuts_keeps_a_space_at_its_digit(tmp_path):
    write_gguf(tmp_path / "given" / "a.gguf", llama(), cut="gpt-2")
    tokenizer = AutoTokenizer.from_pretrained(converted(convert_llama, tmp_path))
    assert tokenizer("in 12").tokens() == ["in", "Ġ1", "2"]


def test_a_file_of_another_kind_is_refused_by_what_it_holds(tmp_path):
    path = tmp_path / "given" / "a.gguf"
    write_gguf(path, llama(), cut="bloom")
    with pytest.raises(BackboneError, match="a 'gpt2' that cuts as 'bloom'"):
        converted(convert_llama, tmp_path)
    write_gguf(path, llama(), **{"rope_freqs.weight": np.ones(4, np.float32)})
    with pytest.raises(BackboneError, match="rope_freqs.weight is no tensor of a Llama"):
        convert_llama(path.parent, tmp_path / "made")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BackboneError, match="a.gguf: cannot be read as GGUF"):
        convert_llama(path.parent, tmp_path / "made")
    path.unlink()
    with pytest.raises(BackboneError, match="holds 0 GGUF files, expected one"):
        convert_llama(path.parent, tmp_path / "made")


def test_the_same_file_gives_the_same_bytes(tmp_path):
    write_gguf(tmp_path / "given" / "a.gguf", llama(), "Q4_1")
    first = {path.name: path.read_bytes() for path in converted(convert_llama, tmp_path).iterdir()}
    convert_llama(tmp_path / "given", tmp_path / "made")
    assert {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} == first
