"""Greedy answers with a KV cache, and the likelihood of candidates."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import speechbrain_xser
from speechbrain_xser.answer.form import Step, structured_form
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.render import render
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.constrained import FormGuide
from speechbrain_xser.decoder.generation.loop import Decoding, greedy
from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.decoder.prompt import PlainTokens, PromptTemplate
from speechbrain_xser.errors import PromptError, SettingsError
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import Guesses, other_llm_folder, pair, row_of, rows_of, soft_tokens, with_lora

COUNTS = [3, 9, 1, 6, 4, 2, 12, 5]
CONTENT, DESCRIPTOR = soft_tokens(COUNTS, seed=1), soft_tokens(COUNTS[::-1], seed=2)
TOKENS = pair(CONTENT, DESCRIPTOR)


@pytest.fixture
def lively(llm_folder):
    """A tiny decoder with large random weights, so that its answers differ from row to row."""
    return with_lora(LLMDecoder(llm_folder, dtype="float32"), scale=1.0).eval()


def prompt_of(decoder, row):
    """Embeddings of one row's prompt, assembled by hand."""
    embed = decoder.causal.get_input_embeddings()
    segments = PromptTemplate().segments(CAPTION, decoder.tokenizer)
    opening, between, closing = (embed(torch.tensor([ids])) for ids in segments)
    content, descriptor = row_of(CONTENT, row).embeddings, row_of(DESCRIPTOR, row).embeddings
    return torch.cat([opening, content, between, descriptor, closing], 1)


@pytest.mark.parametrize("row", [0, 1, 6])
def test_an_answer_is_that_of_transformers_own_generate(lively, row):
    ids = lively.causal.generate(
        inputs_embeds=prompt_of(lively, row),
        max_new_tokens=20,
        do_sample=False,
        eos_token_id=list(lively.eos_ids),
        pad_token_id=lively.pad_id,
    )
    expected = lively.tokenizer.decode(ids[0], skip_special_tokens=True)
    answer = lively.generate(rows_of(TOKENS, row), CAPTION, max_new_tokens=20)
    assert answer == [expected]


@pytest.mark.slow
def test_eight_rows_together_answer_what_each_answers_alone(lively):
    together = lively.generate(TOKENS, CAPTION, max_new_tokens=20)
    alone = [
        lively.generate(rows_of(TOKENS, row), CAPTION, max_new_tokens=20)[0]
        for row in range(8)
    ]
    assert together == alone
    assert len(set(together)) > 1


@pytest.mark.parametrize("family, targets", [("gpt_neox", ["query_key_value"]), ("gemma2", ["q_proj"])])
def test_other_families_answer_the_same_alone_and_together(family, targets, tmp_path, llm_folder):
    lora = {"targets": targets}
    decoder = LLMDecoder(other_llm_folder(tmp_path, family, llm_folder), dtype="float32", lora=lora).eval()
    together = decoder.generate(TOKENS, CAPTION, max_new_tokens=8)
    assert together[2:3] == decoder.generate(rows_of(TOKENS, 2), CAPTION, max_new_tokens=8)


def test_the_default_limit_is_the_decoders_own(lively):
    lively.max_new_tokens = 4
    limited = lively.generate(TOKENS, CAPTION)
    assert limited == lively.generate(TOKENS, CAPTION, max_new_tokens=4)
    assert limited != lively.generate(TOKENS, CAPTION, max_new_tokens=5)


def test_a_limit_below_one_token_is_refused(lively):
    with pytest.raises(PromptError, match="max_new_tokens is 0: expected at least 1"):
        lively.generate(TOKENS, CAPTION, max_new_tokens=0)


def test_a_limit_of_three_tokens_runs_the_llm_three_times(lively):
    calls = []
    lively.causal.model.layers[0].register_forward_hook(lambda *_: calls.append(1))
    lively.generate(TOKENS, CAPTION, max_new_tokens=3)
    assert len(calls) == 3


def test_prompt_and_limit_beyond_the_context_are_refused_with_lengths(lively):
    with pytest.raises(PromptError, match="2000 to come, but the decoder's context is 1024"):
        lively.generate(TOKENS, CAPTION, max_new_tokens=2000)


def test_generation_restores_the_mode(lively):
    lively.train()
    assert lively.generate(TOKENS, CAPTION, 5) == lively.eval().generate(TOKENS, CAPTION, 5)
    lively.train()
    lively.generate(TOKENS, CAPTION, 1)
    assert all(module.training for module in lively.modules())


def test_a_prefix_is_continued_as_the_decoder_s_own_output(lively):
    free = lively.generate(TOKENS, CAPTION, max_new_tokens=12)
    token = lively.tokenizer("by the door", add_special_tokens=False).input_ids
    begun = lively.generate(TOKENS, CAPTION, max_new_tokens=6, prefixes=["by the door"] * 8)
    expected = lively.causal.generate(
        inputs_embeds=torch.cat([prompt_of(lively, 3), lively.causal.get_input_embeddings()(torch.tensor([token]))], 1),
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=list(lively.eos_ids),
        pad_token_id=lively.pad_id,
    )[0].tolist()
    assert begun[3] == lively.tokenizer.decode(token + expected, skip_special_tokens=True)
    assert begun != free and all(answer.startswith("by the door") for answer in begun)


PREFIXES = ["his", "a young woman, her", ""]
EMOTIONS = [["anger", "sad", "happy", "the way he talks"]] * 3


@torch.no_grad()
def test_a_score_is_the_mean_log_probability_of_the_candidates_tokens(lively):
    """By hand: every candidate alone, all positions, the softmax of the logits before each of its tokens."""
    content, descriptor = soft_tokens([3, 9, 1], seed=1), soft_tokens([4, 2, 6], seed=2)
    candidates = [[f" {word}" for word in row] for row in EMOTIONS]
    scores = lively.score(pair(content, descriptor), CAPTION, PREFIXES, candidates)
    assert scores.shape == (3, 4) and scores.dtype == torch.float32
    for row, prefix in enumerate(PREFIXES):
        for column, candidate in enumerate(candidates[row]):
            whole = lively.tokenizer(prefix + candidate, add_special_tokens=False).input_ids
            begun = lively.tokenizer(prefix, add_special_tokens=False).input_ids
            assert whole[: len(begun)] == begun
            answer = lively(rows_of(pair(content, descriptor), row), CAPTION, [prefix + candidate])
            spoken = answer.logits.log_softmax(-1)[range(len(whole)), whole][len(begun) :]
            assert scores[row, column].item() == pytest.approx(spoken.mean().item(), abs=1e-4)


def test_scores_become_probabilities_that_sum_to_one(lively):
    content = soft_tokens([3, 9, 1])
    probabilities = lively.score(pair(content, content), CAPTION, PREFIXES, EMOTIONS).softmax(-1)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(3))


def test_the_temperature_divides_the_scores_of_emotions(lively, monkeypatch):
    """By hand: odds of 4 to 1 are 2 to 1 at a temperature of two, since log 4 / 2 = log 2."""
    content = soft_tokens([3])
    monkeypatch.setattr(lively, "score", lambda *_: torch.tensor([[4.0, 1.0]]).log())
    asked = pair(content, content), CAPTION, ["A man speaks."], ("sad", "happy")
    plain = lively.emotion_probabilities(*asked)
    monkeypatch.setattr(lively, "emotion_temperature", 2.0)
    torch.testing.assert_close(plain, torch.tensor([[0.8, 0.2]], dtype=torch.float64))
    torch.testing.assert_close(lively.emotion_probabilities(*asked), torch.tensor([[2 / 3, 1 / 3]]).double())


def test_a_temperature_of_nothing_is_refused(llm_folder):
    with pytest.raises(SettingsError, match="emotion_temperature is 0"):
        LLMDecoder(llm_folder, dtype="float32", emotion_temperature=0)


def test_single_token_candidates_need_no_second_run(lively):
    tokens = lively.tokenizer.convert_ids_to_tokens(range(len(lively.tokenizer)))
    words = [token[1:] for token in tokens if len(token) > 3 and token[0] == "▁" and token[1:].isalpha()][:2]
    content = soft_tokens([3])
    calls = []
    lively.causal.model.layers[0].register_forward_hook(lambda *_: calls.append(1))
    lively.score(pair(content, content), CAPTION, ["his"], [[f" {word}" for word in words]])
    assert len(words) == 2 and len(calls) == 1


def test_the_prompt_is_computed_once_for_all_candidates(lively):
    content, calls = soft_tokens([30]), []
    embedded = lively.causal.model.layers[0].register_forward_hook(
        lambda _, inputs, output: calls.append(inputs[0].shape[:2].numel())
    )
    lively.score(pair(content, content), CAPTION, ["his"], [[" anger", " sad voice", " people by the door"]])
    embedded.remove()
    assert calls[0] > 60 and sum(calls[1:]) < 60


def test_candidates_after_a_space_are_tokenised_with_it(lively):
    """A prefix that ends in a space: the space belongs to the word's own token, as in training."""
    content = soft_tokens([3])
    after = lively.score(pair(content, content), CAPTION, ["his "], [["anger", "sad"]])
    before = lively.score(pair(content, content), CAPTION, ["his"], [[" anger", " sad"]])
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize(
    "candidates, reason",
    [
        ([["anger", ""]], "none may be empty"),
        ([[]], "same number of candidates"),
        ([["anger"], ["sad"]], "a prefix"),
    ],
)
def test_no_candidates_or_an_empty_one_are_refused(lively, candidates, reason):
    content = soft_tokens([3])
    with pytest.raises(PromptError, match=reason):
        lively.score(pair(content, content), CAPTION, ["his"], candidates)


def test_rows_with_different_numbers_of_candidates_are_refused(lively):
    content = soft_tokens([3, 2])
    with pytest.raises(PromptError, match="same number of candidates"):
        lively.score(pair(content, content), CAPTION, ["his", "her"], [["anger", "sad"], ["sad"]])


@pytest.fixture(scope="module")
def packaged():
    """The trained tiny decoder, with real answers to random audio."""
    model, _ = read_model_folder(speechbrain_xser.packaged_model())
    torch.manual_seed(4)
    wavs, samples = 0.1 * torch.randn(12, 24000), torch.tensor([24000, 9000, 16000, 20000] * 3)
    return model.eval(), model.encode(wavs, samples)


def answers(packaged, **decoding):
    model, tokens = packaged
    return model.decoder.generate(tokens, CAPTION, close_quotes=True, decoding=Decoding(**decoding))


@pytest.mark.parametrize("rows", [1, 5, 12])
@pytest.mark.slow
def test_answers_do_not_depend_on_the_number_of_rows(packaged, rows):
    assert answers(packaged, rows=rows) == answers(packaged)


@pytest.mark.parametrize("length", [1, 4, 8])
def test_guessing_ahead_changes_no_answer_and_saves_steps(packaged, length):
    model, _ = packaged
    steps = []
    handle = model.decoder.causal.model.layers[0].register_forward_hook(lambda *_: steps.append(1))
    plain = answers(packaged)
    taken, found = len(steps), answers(packaged, speculate=length)
    handle.remove()
    assert found == plain and len(steps) - taken < taken


def test_an_answer_held_to_a_form_is_parsed_whole_and_takes_fewer_steps(packaged):
    model, _ = packaged
    steps = []
    handle = model.decoder.causal.model.layers[0].register_forward_hook(lambda *_: steps.append(1))
    free = answers(packaged)
    taken, held = len(steps), answers(packaged, form=structured_form())
    handle.remove()
    assert len(set(free)) > 1 and len(steps) - taken < taken
    for answer in held:
        record = parse(answer)
        assert None not in (record.emotion, record.descriptors.pitch, record.descriptors.speed, record.transcript)
        assert render(record) == answer


def test_free_text_of_a_form_ends_with_the_forms_own_words(packaged):
    """If the model closes its quotation with a full stop, the answer has the form's comma instead."""
    model, _ = packaged
    tokenizer, quotes = model.decoder.tokenizer, {5: "", 6: ".", 7: ","}
    guide = FormGuide([Step(None, '", his')], PlainTokens(tokenizer), quotes, end=4)
    assert guide.refused() == [6]
    logits = torch.zeros(len(tokenizer))
    logits[6], logits[7] = 2.0, 1.0
    answer = PartialAnswer([], limit=9, ends={4}, guide=guide)
    answer.take([6], logits[None])
    assert answer.new == [7]


def test_rows_at_the_end_of_the_context_are_answered_beside_guesses(tmp_path, llm_folder):
    """GPT-2 has a learnt vector for each position and none beyond the last."""
    tokenizer = load_tokenizer(llm_folder)
    ids = {"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id}
    config = GPT2Config(n_positions=96, n_embd=32, n_layer=2, n_head=4, **ids)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    decoder = LLMDecoder(str(tmp_path), dtype="float32", lora=None).eval()
    content, descriptor = soft_tokens([4, 1], seed=1), soft_tokens([4, 1], seed=2)
    with torch.no_grad():
        rows = decoder.rows(pair(content, descriptor), CAPTION, [[], []], 0)
    limit = 96 - max(rows.totals)

    def answered(drafters):
        answers = [PartialAnswer([], limit, ends={-1}, drafter=drafter) for drafter in drafters]
        greedy(decoder.causal, rows.prompts, rows.totals, answers, decoder.pad_id)
        return [answer.new for answer in answers]

    class Right(Guesses):
        def guess(self, ids, most):
            return self.tokens[len(ids) : len(ids) + 4] if most > 6 else []

    plain = answered([None, None])
    assert rows.totals[0] > rows.totals[1] and len(plain[0]) == limit
    # the longer row is ahead and takes its last tokens alone, while the other one is fed four wrong guesses a step
    wrong = Guesses(*(token for token in range(10, 14) if token not in plain[1]))
    assert answered([Right(*plain[0]), wrong]) == plain


def test_a_form_beside_prefixes_is_refused(packaged):
    model, tokens = packaged
    with pytest.raises(PromptError, match="held to a form cannot have a prefix"):
        model.decoder.generate(tokens, CAPTION, prefixes=["A man"] * 12, decoding=Decoding(form=structured_form()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA GPU")
def test_graphs_change_no_answer(packaged):
    model, tokens = packaged
    tokens = [one._replace(embeddings=one.embeddings.cuda()) for one in tokens]
    model.cuda()
    plain, graphed = (answers((model, tokens), graphs=graphs) for graphs in (False, True))
    model.cpu()
    assert graphed == plain
