"""Advantages of tokens against arithmetic by hand, and spans in characters against real tokenizers."""

import itertools
import math

import pytest
import torch

from speechbrain_xser.decoder.llm import load_tokenizer
from speechbrain_xser.testing import tiny_llm_folder
from speechbrain_xser.training.credit import (
    Credit,
    constant_parts,
    settling_token,
    token_advantages,
    written_after,
)

ANSWERS = (
    'An old man with low pitch says, "go on", his anger evident.',
    'A woman says, "\u00e9t\u00e9, \u4f60\u597d \U0001f600\U0001f600!", naturally.',
    " two  spaces , and a  comma ,",
)


@pytest.fixture(params=["packaged:llama-tiny", "bytes"])
def tokenizer(request, tmp_path):
    return load_tokenizer(tiny_llm_folder(tmp_path) if request.param == "bytes" else request.param)


@pytest.mark.parametrize("answer", ANSWERS)
def test_each_character_is_written_with_the_token_that_completes_it(tokenizer, answer):
    def text_of(ids):
        return tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    ids = tokenizer(answer, add_special_tokens=False).input_ids
    written, whole = written_after(ids, text_of), text_of(ids)
    assert len(written) == len(ids) and written == sorted(written) and written[-1] == len(whole)
    for end in range(1, len(whole)):
        there = [text_of(ids[: place + 1]).startswith(whole[: end + 1]) for place in range(len(ids))]
        assert settling_token(end, written) == there.index(True)
    assert settling_token(len(whole), written) == len(ids) - 1


def test_a_token_that_ends_an_answer_writes_nothing():
    tokenizer = load_tokenizer("packaged:llama-tiny")
    ids = [*tokenizer("go on", add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    assert written_after(ids, lambda some: tokenizer.decode(some, skip_special_tokens=True))[-2:] == [5, 5]


def test_a_token_carries_what_is_settled_at_it_or_after_it():
    """Of three answers of four tokens, two characters each; by hand, leave-one-out: r - mean of the other two.

    words, over with character 4: -1, 0, -0.5 give -0.75, 0.75, 0; pitch, over with character 6, 8 and never: 1, -1, 0
    give 1.5, -1.5, 0; a loop, for the whole answer: 0, 0, -1 give 0.5, 0.5, -1. The last characters are 3, 5 and 7.
    """
    group, written = three_answers()
    assert [one.tolist() for one in token_advantages(group, written, discount=1.0)] == [
        pytest.approx([1.25, 1.25, 2.0, 0.5]),
        pytest.approx([-0.25, -0.25, -1.0, -1.0]),
        pytest.approx([-1.0, -1.0, -1.0, -1.0]),
    ]


def test_with_a_discount_of_0_a_token_carries_its_own_word_or_claim_and_what_the_whole_answer_settles():
    """As above. The second token ends the words and begins the pitch, so it carries both."""
    group, written = three_answers()
    assert [one.tolist() for one in token_advantages(group, written, discount=0.0)] == [
        pytest.approx([-0.25, 1.25, 2.0, 0.5]),
        pytest.approx([1.25, -0.25, -1.0, -1.0]),
        pytest.approx([-1.0, -1.0, -1.0, -1.0]),
    ]
    assert token_advantages(group, written, discount=0.5)[0].tolist() == [0.5, 1.25, 2.0, 0.5]


def test_a_token_that_ends_one_word_and_is_the_next_counts_for_both():
    """Of "go on", with the space in the second token: "go" is over with it, and it is "on"."""
    right, wrong = {"0": Credit(1.0, 2), "1": Credit(1.0, 5)}, {"0": Credit(0.0, 2), "1": Credit(0.0, 5)}
    assert token_advantages([right, wrong], [[2, 5], [2, 5]], discount=0.0)[0].tolist() == [1.0, 2.0]


def three_answers():
    ends = [(3, 5), (3, 7), (3, None)]
    worth = [(-1.0, 1.0, 0.0), (0.0, -1.0, 0.0), (-0.5, 0.0, -1.0)]
    group = [
        {"words": Credit(words, end), "pitch": Credit(pitch, place), "looping": Credit(loop)}
        for (words, pitch, loop), (end, place) in zip(worth, ends, strict=True)
    ]
    return group, [[2, 4, 6, 8]] * 3


def test_a_part_that_all_answers_earned_alike_counts_for_no_token_and_is_counted():
    group = [{"words": Credit(-0.25, 3), "emotion": Credit(one)} for one in (0.0, 1.0)]
    assert constant_parts(group) == [True, False]
    assert [one.tolist() for one in token_advantages(group, [[4, 8], [4]], discount=1.0)] == [[-1.0, -1.0], [1.0]]


def test_the_expected_gradient_is_that_of_one_advantage_for_the_whole_answer():
    """Two tokens of two words; the first is worth what the first says, the sum what both say. All pairs, weighed."""
    logits = torch.tensor([[0.3, -0.5], [1.0, 0.2]], dtype=torch.float64, requires_grad=True)  # of each place
    words = list(itertools.product((0, 1), repeat=2))

    def worth(first, second):
        return {"a": Credit((1.0, -0.4)[first], 0), "b": Credit((0.0, 2.0)[first ^ second], 1)}

    def gradient(advantages):
        total = torch.zeros_like(logits)
        for one, other in itertools.product(words, repeat=2):
            logs = [logits.log_softmax(-1)[[0, 1], list(said)] for said in (one, other)]
            chance = math.exp(sum(log.detach().sum() for log in logs))
            loss = sum((log * each).sum() for log, each in zip(logs, advantages(one, other), strict=True))
            total += chance * torch.autograd.grad(loss, logits)[0]
        return total

    def by_part(one, other):
        return token_advantages([worth(*one), worth(*other)], [[1, 2]] * 2, discount=1.0)

    def whole(one, other):
        sums = [sum(credit.value for credit in worth(*said).values()) for said in (one, other)]
        return sums[0] - sums[1], sums[1] - sums[0]

    assert torch.allclose(gradient(by_part), gradient(whole), atol=1e-12)
    assert gradient(whole).abs().max() > 0.1
