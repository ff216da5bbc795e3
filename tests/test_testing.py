"""The tiny backbones and manifests that everybody's tests stand on."""

import json
from pathlib import Path

import pytest
import sentencepiece
import soundfile
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from speechbrain_xser.decoder import vocabulary
from speechbrain_xser.testing import SENTENCES, tiny_encoder_folder, tiny_llm_folder, tiny_manifest

UNSEEN = 'He said: "what  happened at the door?"\n\nÜber 東京, naïve <Content> it\'s'


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(tiny_llm_folder(tmp_path_factory.mktemp("llm")))


def test_header_tokens_are_single_tokens_of_the_vocabulary(tokenizer):
    ids = [tokenizer.encode(token, add_special_tokens=False) for token in vocabulary.SPECIAL_TOKENS]
    assert all(len(one) == 1 for one in ids) and len({one[0] for one in ids}) == 5
    assert max(one[0] for one in ids) < tokenizer.vocab_size


def test_text_it_never_saw_survives_encoding(tokenizer):
    assert tokenizer.decode(tokenizer.encode(UNSEEN, add_special_tokens=False)) == UNSEEN


def test_nothing_is_added_in_front_or_behind(tokenizer):
    assert tokenizer.encode("kids") == tokenizer.encode("kids", add_special_tokens=False)


def test_the_merges_cut_text_as_sentencepiece_does(tokenizer, tmp_path):
    model = tmp_path / "spm"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_prefix=str(model), model_type="bpe", vocab_size=512,
        hard_vocab_limit=False, byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity",
        control_symbols=list(vocabulary.SPECIAL_TOKENS), remove_extra_whitespaces=False, add_dummy_prefix=False,
        unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{model}.model")
    for sentence in SENTENCES:
        assert tokenizer.encode(sentence, add_special_tokens=False) == processor.encode(sentence)


def test_the_llm_has_one_embedding_row_a_token_and_ends_with_eot(tokenizer):
    llm = AutoModelForCausalLM.from_pretrained(tokenizer.name_or_path)
    assert llm.get_input_embeddings().num_embeddings == len(tokenizer)
    assert llm.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|eot_id|>")


@pytest.mark.parametrize("write", [tiny_encoder_folder, tiny_llm_folder])
def test_the_seed_decides_the_weights_and_leaves_the_generator_alone(write, tmp_path):
    before = torch.get_rng_state()
    folders = [Path(write(tmp_path / name, seed=seed)) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    first, second, third = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert first == second != third
    assert torch.equal(before, torch.get_rng_state())


def test_a_manifest_has_clips_of_half_a_second_to_two_at_16_kilohertz(tmp_path):
    entries = [json.loads(line) for line in Path(tiny_manifest(tmp_path, clips=5)).read_text().splitlines()]
    assert len({entry["id"] for entry in entries}) == 5
    for entry in entries:
        info = soundfile.info(entry["wav"])
        assert info.samplerate == 16000 and info.channels == 1 and 0.5 <= info.duration <= 2
        assert entry["duration"] == pytest.approx(info.duration)
