"""The words of an emotion count more in the loss, on an LLM with its own tokenizer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from speechbrain_xser.decoder.answer_logits import AnswerLogits
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.training.criterion import Criterion, Objective, Totals
from speechbrain_xser.training.emotion_loss import EmotionLoss

LLM = "packaged:llama-tiny"


@pytest.fixture(scope="module")
def loss():
    return EmotionLoss(LLM, ["angry", "happy", "sad"])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('A man speaks, stating, "it is gone", his anger evident.', " anger"),
        ('A woman talks, saying, "go", sounding happy.', " happy"),
        ('A woman talks, saying, "go", clearly angry, with emphasis on the word "go".', " angry"),
        ('A woman talks, saying, "go".', ""),
        ('A woman talks, saying, "go", sounding fearful.', ""),  # not one of the corpus's classes
    ],
)
def test_the_tokens_of_the_emotion_are_found_and_no_others(loss, text, word):
    tokens = torch.tensor(loss.plain_tokens(text))

    assert loss.plain_tokens(word) == tokens[loss.named(tokens)].tolist()


def test_a_word_of_two_tokens_counts_where_it_stands_as_a_whole():
    loss = EmotionLoss(LLM, ["sad"])
    loss.phrases = [torch.tensor([5, 6])]  # in the tokenizer of the tests all of these words are one token
    assert loss.named(torch.tensor([4, 5, 6, 5, 7])).tolist() == [False, True, True, False, False]
    assert loss.named(torch.tensor([5])).tolist() == [False]


def test_the_sum_is_the_cross_entropy_of_these_tokens_alone(loss):
    torch.manual_seed(0)
    targets = torch.tensor(loss.plain_tokens("A man talks, sounding sad."))
    logits = torch.randn(len(targets), 6000, requires_grad=True)
    named = loss.named(targets)
    answer = AnswerLogits(logits, targets, torch.zeros_like(targets))

    total = loss(SimpleNamespace(answer=answer), SER_STAGE)
    total.backward()

    assert total.item() == pytest.approx(cross_entropy(logits[named], targets[named], reduction="sum").item(), rel=1e-6)
    assert logits.grad[~named].abs().max() == 0 and logits.grad[named].abs().min() > 0


def test_an_answer_without_an_emotion_adds_nothing(loss):
    targets = torch.tensor([7])
    answer = AnswerLogits(torch.zeros(1, 6000, requires_grad=True), targets, targets)

    assert loss(SimpleNamespace(answer=answer), SER_STAGE).item() == 0


def test_heads_have_no_tokens_to_weigh(loss):
    assert loss(SimpleNamespace(answer=SimpleNamespace(targets=torch.tensor([1]))), SER_STAGE).item() == 0


def test_with_a_weight_of_4_the_emotion_counts_five_times(loss):
    targets = torch.tensor(loss.plain_tokens(" sad"))
    answer = AnswerLogits(torch.zeros(len(targets), 6000), targets, torch.zeros_like(targets))
    criterion = Criterion(objectives={"emotion": Objective(loss, per="tokens", weight=4.0)})
    parts = criterion.parts(SimpleNamespace(answer=answer, branches={}), SER_STAGE)

    whole = criterion.loss(parts, Totals(tokens=len(targets), frames=1))

    assert whole.item() == pytest.approx(5 * torch.tensor(6000.0).log().item(), rel=1e-5)
