"""Sampled answers: frequencies against the softmax, the nucleus by hand, and log-probabilities against a forward."""

from collections import Counter

import pytest
import torch

from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.loop import Decoding
from speechbrain_xser.decoder.generation.sampling import Sampler, Sampling, nucleus
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import pair, rows_of, soft_tokens, with_lora

TOKENS = pair(soft_tokens([3, 1], seed=1), soft_tokens([2, 4], seed=2))
PROBABILITIES = torch.tensor([0.05, 0.5, 0.15, 0.3])


@pytest.fixture
def lively(llm_folder):
    return with_lora(LLMDecoder(llm_folder, dtype="float32"), scale=1.0).eval()


def texts(found):
    return [[one.text for one in answers] for answers in found]


def frequencies(sampling, draws=4000):
    sampler = Sampler(sampling, seed=5)
    counts = Counter(sampler.draw(PROBABILITIES.log()) for _ in range(draws))
    return [counts[token] / draws for token in range(len(PROBABILITIES))]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), PROBABILITIES.tolist()),
        (Sampling(temperature=0.5), (PROBABILITIES.square() / PROBABILITIES.square().sum()).tolist()),  # p^(1/T)
        (Sampling(top_p=0.7), [0, 0.5 / 0.8, 0, 0.3 / 0.8]),  # 0.5 does not reach 0.7, 0.5 + 0.3 does
    ],
)
def test_tokens_are_drawn_with_their_probability(sampling, expected):
    assert frequencies(sampling) == pytest.approx(expected, abs=0.025)  # three standard errors


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.5, [1]), (0.51, [1, 3]), (0.79, [1, 3]), (0.9, [1, 2, 3]), (1, [0, 1, 2, 3])]
)
def test_the_nucleus_is_the_fewest_tokens_that_reach_top_p(top_p, kept):
    exact = torch.tensor([0.05, 0.5, 0.15, 0.3], dtype=torch.float64)
    assert nucleus(exact, top_p).nonzero()[:, 0].tolist() == kept


def test_inside_a_quotation_no_end_is_drawn():
    sampler = Sampler(Sampling(), seed=0)
    answer = PartialAnswer([5], limit=200, ends={2}, odd_quotes={5}, sampler=sampler)
    while not answer.ended:
        answer.take([2], torch.tensor([[0.0, 0.0, 3.0, 0.0]]))
    assert len(answer.new) == 200 and 2 not in answer.new


@torch.no_grad()
def test_the_log_probability_is_that_of_transformers_over_the_same_tokens(lively, monkeypatch):
    drawn = []

    class Recorded(Sampler):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.tokens = []
            drawn.append(self.tokens)

        def draw(self, logits):
            self.tokens.append(super().draw(logits))
            return self.tokens[-1]

    monkeypatch.setattr("speechbrain_xser.decoder.generation.sampling.Sampler", Recorded)
    found = lively.sample(TOKENS, CAPTION, Sampling(temperature=0.8, top_p=0.95, answers=2, seed=3), max_new_tokens=6)
    for place, ids in enumerate(drawn):
        embeddings = lively.stream(rows_of(TOKENS, place // 2), CAPTION, [ids[:-1]]).embeddings
        spoken = lively.causal(inputs_embeds=embeddings[None]).logits[0, -len(ids) :].double().log_softmax(-1)
        expected = float(spoken[range(len(ids)), ids].sum())
        assert found[place // 2][place % 2].log_prob == pytest.approx(expected, abs=1e-3)


def test_answers_do_not_depend_on_their_neighbours_and_differ_by_seed(lively):
    sampling = Sampling(answers=3, seed=1)
    together = lively.sample(TOKENS, CAPTION, sampling, max_new_tokens=12)
    apart = lively.sample(TOKENS, CAPTION, sampling, max_new_tokens=12, decoding=Decoding(rows=2))
    [alone] = lively.sample(rows_of(TOKENS, 0), CAPTION, sampling, max_new_tokens=12)
    assert texts(together) == texts(apart) and texts(together[:1]) == texts([alone])
    assert together[0][0].log_prob == pytest.approx(alone[0].log_prob, abs=1e-3)
    assert len({one.text for one in together[0]}) == 3
    other = lively.sample(TOKENS, CAPTION, sampling._replace(seed=2), max_new_tokens=12)
    assert texts(together) != texts(other)


@pytest.mark.parametrize("rows", [10, 7, 5, 2])
def test_a_prompt_is_computed_once_for_all_of_its_answers(lively, rows):
    """Five answers to each of two prompts: the positions of the prompts, and then one a token of each answer."""
    positions = []
    layer = lively.causal.base_model.layers[0]
    hook = layer.register_forward_hook(lambda _, given, output: positions.append(given[0].shape[:2].numel()))
    lively.sample(TOKENS, CAPTION, Sampling(answers=5, seed=1), max_new_tokens=3, decoding=Decoding(rows=rows))
    hook.remove()
    layout = lively.stream(TOKENS, CAPTION, [[], []]).layout
    begun = [count for count in positions if count > 10]
    both = layout.length if rows == 10 else layout.length + layout.prefix  # read together, or one after the other
    assert sum(begun) == both and len(begun) == (1 if rows == 10 else 2)


def test_a_prompt_with_a_seed_of_its_own_is_answered_alike_in_any_batch(lively):
    together = lively.sample(TOKENS, CAPTION, Sampling(answers=3, seed=(7, 8)), max_new_tokens=12)
    [alone] = lively.sample(rows_of(TOKENS, 1), CAPTION, Sampling(answers=3, seed=(8,)), max_new_tokens=12)
    assert texts(together[1:]) == texts([alone]) and texts(together[:1]) != texts([alone])
    with pytest.raises(SettingsError, match="1 seeds and 2 prompts"):
        lively.sample(TOKENS, CAPTION, Sampling(seed=(7,)))


@torch.no_grad()
def test_tokens_and_their_log_probabilities_are_those_of_a_forward_over_the_answers(lively):
    """As training needs them: token by token, the end included where an answer ended by itself."""
    groups = lively.sample(TOKENS, CAPTION, Sampling(answers=24, seed=1), max_new_tokens=40)
    every = [one for group in groups for one in group]
    assert {one.ids[-1] in lively.eos_ids for one in every} == {True, False}
    assert all(one.ended == (one.ids[-1] in lively.eos_ids) for one in every)
    for place, one in enumerate(every):
        output = lively(rows_of(TOKENS, place // 24), CAPTION, [one.ids])
        assert (-output.token_nats()).tolist() == pytest.approx(one.log_probs, abs=1e-4)
        assert one.log_prob == pytest.approx(sum(one.log_probs)) and len(one.ids) <= 40


def test_logits_that_are_no_numbers_are_told_by_the_log_probability():
    sampler = Sampler(Sampling(), seed=0)
    sampler.draw(torch.tensor([0.0, float("nan")]))
    assert sampler.log_prob != sampler.log_prob


def test_a_temperature_close_to_zero_is_the_greedy_answer(lively):
    [[one], [other]] = lively.sample(TOKENS, CAPTION, Sampling(temperature=1e-4), max_new_tokens=8)
    assert [one.text, other.text] == lively.generate(TOKENS, CAPTION, max_new_tokens=8)


@pytest.mark.parametrize("value", [{"temperature": 0}, {"top_p": 0}, {"top_p": 1.1}, {"answers": 0}])
def test_values_out_of_range_are_refused(lively, value):
    with pytest.raises(SettingsError, match="expected a temperature above 0"):
        lively.sample(TOKENS, CAPTION, Sampling(**value))
