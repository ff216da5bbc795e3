"""A content branch of recognised words."""

import json
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from speechbrain_xser.decoder.heads import HeadsDecoder
from speechbrain_xser.errors import AudioError, BackboneError, SettingsError
from speechbrain_xser.lobes.recognized import build_recognized
from speechbrain_xser.lobes.word_recognizer import Recognizer, WhisperRecognizer, Word
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE
from speechbrain_xser.testing import tiny_encoder_folder, tiny_lobes, tiny_recognizer_folder

WAVS, SAMPLES = torch.randn(2, 16000), torch.tensor([16000, 9000])


class Heard(nn.Module):
    """A recogniser that says how long a clip is."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, wavs, samples):
        self.calls.append(samples.tolist())
        return [[Word("by", 0.5), Word("the", 1.0), Word(str(count), 0.25)] for count in samples.tolist()]


def lobes(folder, recognizer):
    found = tiny_lobes(folder)
    content = partial(build_recognized, recognizer=recognizer)
    return {**found, "branches": {**found["branches"], "content": content}}


@pytest.fixture
def model(tmp_path):
    return build_model(**lobes(tmp_path, Heard())).eval()


def test_the_slot_holds_the_rows_of_the_words_each_by_its_probability(model):
    tokens = model.encode(WAVS, SAMPLES)["content"]
    table, ids = model.decoder.causal.get_input_embeddings().weight, model.decoder.plain_tokens
    expected = [p * table[ids(f" {word}")] for word, p in (("by", 0.5), ("the", 1.0), ("9000", 0.25))]
    expected = torch.cat(expected)
    assert int(tokens.counts[1]) == len(expected)
    assert torch.equal(tokens.embeddings[1, : len(expected)], expected)


def test_without_weights_a_word_that_is_unsure_has_the_rows_of_a_known_one(tmp_path):
    found = tiny_lobes(tmp_path)
    content = partial(build_recognized, recognizer=Heard(), weighted=False)
    model = build_model(**{**found, "branches": {**found["branches"], "content": content}}).eval()
    heard = model.encode(WAVS, SAMPLES)["content"]
    known = model.encode_branches(WAVS, SAMPLES, SER_STAGE, [None, "by the 9000"])["content"].tokens
    assert torch.equal(heard.embeddings, known.embeddings)


def test_words_that_are_known_are_not_recognised_again(model):
    words = model.encode_branches(WAVS, SAMPLES, SER_STAGE, ["kids", None])["content"].tokens
    assert model.branches["content"].bottleneck.recognizer.calls == [[9000]]
    table, ids = model.decoder.causal.get_input_embeddings().weight, model.decoder.plain_tokens(" kids")
    assert torch.equal(words.embeddings[0, : len(ids)], table[ids])


def test_answers_are_generated_from_words_that_are_known(model):
    model.generate(WAVS, SAMPLES, SER_STAGE, max_new_tokens=2, words=["kids", "by the door"])
    model.explain(WAVS, SAMPLES, SER_STAGE, ["angry", "sad"], words=["kids", "by the door"])
    assert model.branches["content"].bottleneck.recognizer.calls == []


def test_a_clip_without_words_is_one_row_of_zeros(model):
    tokens = model.encode_branches(WAVS, SAMPLES, SER_STAGE, ["", " "])["content"].tokens
    assert tokens.counts.tolist() == [1, 1] and not tokens.embeddings.any()


def test_a_step_trains_the_llm_and_nothing_of_the_branch(tmp_path):
    model = build_model(**lobes(tmp_path, partial(WhisperRecognizer, tiny_recognizer_folder(tmp_path / "whisper"))))
    output = model(WAVS, SAMPLES, ASR_STAGE, ["by the door", "kids"])
    output.answer.nats().backward()
    assert not list(name for name, _ in model.named_parameters() if "content" in name and _.grad is not None)
    assert any(one.grad is not None for name, one in model.decoder.named_parameters() if "lora" in name)
    assert not any("content" in name for name in model.state_dict())


def test_a_trained_folder_brings_its_recogniser_back(tmp_path):
    recognizer = partial(WhisperRecognizer, tiny_recognizer_folder(tmp_path / "whisper"))
    built = lobes(tmp_path, recognizer)
    model = build_model(**built).eval()
    folder = write_model_folder(tmp_path / "trained", model, {"model": built})
    same, settings = read_model_folder(folder)
    assert settings["model"]["branches"]["content"]["recognizer"]["source"] == recognizer.args[0]
    one, other = (found.encode(WAVS, SAMPLES)["content"].embeddings for found in (model, same))
    assert torch.equal(one, other)


def test_a_folder_takes_a_local_copy_of_its_recogniser(tmp_path):
    place = tmp_path / "whisper"
    built = lobes(tmp_path, partial(WhisperRecognizer, tiny_recognizer_folder(place)))
    folder = write_model_folder(tmp_path / "trained", build_model(**built), {"model": built})
    copied = place.rename(tmp_path / "copy")
    with pytest.raises(BackboneError, match="whisper"):
        read_model_folder(folder)
    _, settings = read_model_folder(folder, {"recognizer_source": str(copied)})
    assert settings["model"]["branches"]["content"]["recognizer"]["source"] == str(copied)


def test_another_recogniser_than_the_trained_one_is_refused(tmp_path):
    place = tmp_path / "whisper"
    built = lobes(tmp_path, partial(WhisperRecognizer, tiny_recognizer_folder(place)))
    folder = write_model_folder(tmp_path / "trained", build_model(**built), {"model": built})
    tiny_recognizer_folder(place, seed=1)
    with pytest.raises(BackboneError, match="recognizer"):
        read_model_folder(folder)


def test_whisper_hears_a_clip_alone_as_in_a_batch(tmp_path):
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    assert isinstance(recognizer, Recognizer) and not recognizer.state_dict()
    alone, batched = recognizer(WAVS[1:, :9000], SAMPLES[1:])[0], recognizer(WAVS, SAMPLES)[1]
    assert [word.text for word in alone] == [word.text for word in batched]
    # a processor may sum a matrix product of other size in another order
    assert [word.probability for word in alone] == pytest.approx([word.probability for word in batched], rel=1e-5)


def test_a_clip_beyond_thirty_seconds_is_refused(tmp_path):
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    with pytest.raises(AudioError, match="30 s"):
        recognizer(torch.zeros(1, 31 * 16000), torch.tensor([31 * 16000]))


def test_an_encoder_of_another_kind_is_no_recogniser(tmp_path):
    with pytest.raises(BackboneError):
        WhisperRecognizer(tiny_encoder_folder(tmp_path, "hubert"))


def test_without_an_llm_there_is_nothing_to_read_with(tmp_path):
    built = {**lobes(tmp_path, Heard()), "decoder": HeadsDecoder}
    with pytest.raises(SettingsError, match="give llm_source"):
        build_model(**built)


def test_tokens_are_joined_to_words_with_their_mean_probability(tmp_path):
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    pieces = {1: "\u0120by", 2: "\u0120the", 3: "re", 4: ".", 9: "<|end|>"}

    class Tokens:
        def convert_ids_to_tokens(self, token):
            return pieces[token]

        def decode(self, ids, **options):
            return "".join(pieces[token] for token in ids).replace("\u0120", " ")

    recognizer.tokenizer, recognizer.control_ids = Tokens(), frozenset([9])
    found = recognizer._grouped([1, 2, 3, 4, 9], [math.log(p) for p in (0.5, 0.8, 0.1, 0.8, 0.3)])
    assert [word.text for word in found] == ["by", "there."]
    assert [word.probability for word in found] == pytest.approx([0.5, (0.8 * 0.1 * 0.8) ** (1 / 3)])


def test_a_recogniser_runs_no_code_of_its_folder(tmp_path):
    folder = Path(tiny_recognizer_folder(tmp_path))
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "unheard-of", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    with pytest.raises(BackboneError):
        WhisperRecognizer(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_recogniser_of_another_rate_is_refused(tmp_path):
    encoder, recognizer = SimpleNamespace(sample_rate=8000), WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    with pytest.raises(BackboneError, match="8000 Hz"):
        build_recognized(encoder, 4, lambda text: torch.zeros(1, 4), recognizer)


def test_the_words_that_whisper_writes_are_the_likeliest(tmp_path):
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    [words] = recognizer(WAVS[:1], SAMPLES[:1])
    text = " ".join(word.text for word in words)
    [found] = recognizer.likelihoods(recognizer.encode(WAVS[:1], SAMPLES[:1]), [text])
    assert words and found.words == pytest.approx([1.0] * len(text.split()))


def test_a_likelihood_is_the_least_of_a_word_s_tokens_beside_the_best(tmp_path):
    """By the network of transformers itself, a token at a time."""
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    features = recognizer._features(WAVS[0])[None]
    given, expected = [recognizer.whisper.generation_config.decoder_start_token_id], []
    for word in ("by", "doors"):
        shares = []
        for token in recognizer.tokenizer(f" {word}", add_special_tokens=False).input_ids:
            logits = recognizer.whisper(input_features=features, decoder_input_ids=torch.tensor([given])).logits[0, -1]
            shares.append((logits[token] - logits.max()).exp().item())
            given.append(token)
        expected.append(min(shares))
    found = recognizer.likelihoods(recognizer.encode(WAVS[:1], SAMPLES[:1]), ["the", "by doors"])[1]
    assert found.words == pytest.approx(expected, rel=1e-4)


def test_a_text_ends_with_or_without_a_sign_whichever_is_likelier(tmp_path):
    """By the network of transformers itself."""
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    wav, texts = torch.randn(16000, generator=torch.Generator().manual_seed(1)), ("door", "by", "kids", "talking")
    features = recognizer._features(wav)[None]

    def share(text, sign):
        begun = [recognizer.whisper.generation_config.decoder_start_token_id, *recognizer._tokens(f" {text}")]
        ids = [*begun, *recognizer._tokens(sign), recognizer.whisper.generation_config.eos_token_id]
        logits = recognizer.whisper(input_features=features, decoder_input_ids=torch.tensor([ids])).logits[0]
        places = range(len(begun), len(ids))
        return min((logits[place - 1, ids[place]] - logits[place - 1].max()).exp().item() for place in places)

    ways = [[share(text, sign) for sign in ("", ".", "?", "!")] for text in texts]
    told = recognizer.likelihoods(recognizer.encode(wav[None], SAMPLES[:1]), texts)
    assert [one.end for one in told] == pytest.approx([max(shares) for shares in ways], rel=1e-4)
    assert {shares.index(max(shares)) for shares in ways} - {0}  # a sign decides


def test_words_beyond_whisper_s_longest_text_are_impossible(tmp_path):
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    [found] = recognizer.likelihoods(recognizer.encode(WAVS[:1], SAMPLES[:1]), ["door " * 500])
    assert len(found.words) == 500 and found.words[0] > 0 and found.words[-1] == found.end == 0


@pytest.mark.parametrize(("language", "number"), [("<|en|>", 11), ("<|de|>", 12)])
def test_a_multilingual_whisper_is_asked_after_its_language_and_task(tmp_path, language, number):
    """As the published ones: the language is found in the sound, and the task is one of the forced tokens."""
    recognizer = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    multilingual = {
        "is_multilingual": True,
        "lang_to_id": {language: number},
        "task_to_id": {"transcribe": 13, "translate": 14},
        "forced_decoder_ids": [[1, None], [2, 13]],
        "no_timestamps_token_id": 15,
    }
    for name, value in multilingual.items():
        setattr(recognizer.whisper.generation_config, name, value)
    prompt = [1, number, 13, 15]
    encoded = recognizer.encode(WAVS[:1], SAMPLES[:1])
    [word] = recognizer._tokens(" by")
    logits = recognizer.whisper(encoder_outputs=encoded, decoder_input_ids=torch.tensor([prompt])).logits[0, -1]
    expected = (logits[word] - logits.max()).exp().item()
    assert recognizer.likelihoods(encoded, ["by"])[0].words == pytest.approx([expected], rel=1e-4)
