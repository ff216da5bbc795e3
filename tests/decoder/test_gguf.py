"""A GGUF file is an LLM: its weights and tokenizer are those of the model that it was written from."""

from pathlib import Path

import pytest
import torch

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.llm import load_llm, load_tokenizer
from speechbrain_xser.decoder.prompt import PromptTemplate
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.testing import tiny_lobes
from tests.backbones.fakes import llama, write_gguf
from tests.decoder.conftest import pair, soft_tokens, with_lora

CHAT, ASKED = PromptTemplate("", "chat"), "in"  # a text of few bytes, each a token


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A Llama with SmolLM's tokenizer, in float32."""
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(path, llama())
    return str(path)


@torch.no_grad()
@pytest.mark.parametrize("kind, tolerance", [("F32", 1e-5), ("Q8_0", 0.05)])
def test_an_llm_of_a_gguf_file_has_the_logits_of_the_model_that_it_was_made_from(tmp_path, kind, tolerance):
    write_gguf(tmp_path / "model.gguf", llama(), kind)
    ids = torch.tensor([[1, 7, 9, 30]])
    expected, found = llama()(ids).logits, load_llm(str(tmp_path / "model.gguf"), dtype="float32")(ids).logits
    assert (found - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("cut, pieces", [("smollm", ["in", "Ġ", "1", "2"]), ("gpt-2", ["in", "Ġ1", "2"])])
def test_its_tokenizer_cuts_text_as_the_file_says(tmp_path, cut, pieces):
    """SmolLM splits off each digit; GPT-2 leaves the space at it."""
    write_gguf(tmp_path / "model.gguf", llama(), cut=cut)
    tokenizer = load_tokenizer(str(tmp_path / "model.gguf"))
    assert tokenizer.convert_ids_to_tokens(tokenizer("in 12", add_special_tokens=False).input_ids) == pieces


def test_a_way_to_cut_that_only_transformers_knows_is_left_to_it(tmp_path):
    write_gguf(tmp_path / "model.gguf", llama(), cut="qwen2")
    tokenizer = load_tokenizer(str(tmp_path / "model.gguf"))
    ids = tokenizer("in 12", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["in", "Ġ", "1", "2"]  # Qwen's digits are single
    assert tokenizer.eos_token == "<|im_end|>" and tokenizer.chat_template


def test_a_decoder_of_a_gguf_file_learns_and_answers(file):
    decoder = with_lora(LLMDecoder(file, dtype="float32", template=CHAT, max_new_tokens=4))
    tokens = pair(soft_tokens([4, 1], width=64), soft_tokens([2, 5], width=64))
    decoder(tokens, ASKED, ["in 1", "in"]).nats().backward()
    assert all(one.grad.any() for name, one in decoder.named_parameters() if ".lora_" in name)
    assert decoder.context == 128 and len(decoder.eval().generate(tokens, ASKED)) == 2


def test_a_trained_folder_on_a_gguf_file_is_read_again_and_exported_without_it(file, tmp_path):
    model = build_model(**tiny_lobes(tmp_path, source=file, template=CHAT, max_new_tokens=4)).eval()
    with_lora(model.decoder)
    lobes = tiny_lobes(tmp_path, source=file, template=CHAT, max_new_tokens=4)
    write_model_folder(tmp_path / "trained", model, {"model": lobes})
    again, _ = read_model_folder(tmp_path / "trained")
    merged, _ = read_model_folder(release_folder(tmp_path / "trained", tmp_path / "release", merge=True).folder)
    tokens = pair(soft_tokens([4, 1], width=64), soft_tokens([2, 5], width=64))
    answers = [one.eval().decoder.generate(tokens, ASKED) for one in (model, again, merged)]
    assert answers[0] == answers[1] == answers[2]


def test_a_torn_gguf_file_is_refused_with_its_path(file, tmp_path):
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(Path(file).read_bytes()[:500])
    with pytest.raises(BackboneError, match="torn.gguf"):
        LLMDecoder(str(torn))


def test_a_gguf_file_is_not_quantised_again(file):
    with pytest.raises(BackboneError, match="set quantization to null"):
        load_llm(file, quantization="4bit")
