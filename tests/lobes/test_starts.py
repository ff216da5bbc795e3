"""Starts, against sums by hand."""

import math

import pytest
import torch

from speechbrain_xser.answer.label_words import LABEL_WORDS, label_places, label_text
from speechbrain_xser.answer.record import Descriptors, Record
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.starts import SMOOTHING, UNKNOWN, augmented, label_scores
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.lobes.token_scores import SHARPNESS

LETTERS = {letter: row for letter, row in zip("abcdefghijklmnopqrstuvwxyz ", torch.eye(27), strict=True)}


def embed_text(text):
    return torch.stack([LETTERS[letter] for letter in text])


def test_scores_are_products_with_centred_rows():
    means = torch.randn(2, 27)
    tokens = SoftTokens(torch.stack([means, -means + 2 * means], 1), torch.tensor([2, 2]))  # the same row twice
    scores = label_scores(tokens, embed_text, ["angry, man", "woman, low pitch"])
    man, woman = (embed_text(f" {word}").mean(0) for word in ("man", "woman"))
    half = (man - woman) / 2
    expected = SHARPNESS * (means @ torch.stack([half, -half]).T) / half.square().sum()
    assert torch.allclose(scores.logits["gender"], expected, atol=1e-4)
    assert scores.labels["gender"].tolist() == [0, 1]
    assert scores.labels["emotion"].tolist() == [list(LABEL_WORDS["emotion"]).index("angry"), UNKNOWN]


def test_padding_does_not_count():
    tokens = torch.randn(1, 3, 27)
    padded = SoftTokens(torch.cat([tokens, torch.zeros(1, 2, 27)], 1), torch.tensor([3]))
    alone = SoftTokens(tokens, torch.tensor([3]))
    one, other = (label_scores(found, embed_text, ["angry"]) for found in (alone, padded))
    assert torch.allclose(one.logits["emotion"], other.logits["emotion"], atol=1e-5)


def test_nats_are_those_of_a_smoothed_cross_entropy():
    scores = label_scores(SoftTokens(torch.zeros(2, 1, 27), torch.tensor([1, 1])), embed_text, ["man", "woman, sad"])
    assert float(scores.nats()) == pytest.approx(2 * math.log(2) + math.log(7), rel=1e-5)
    sharp = scores._replace(logits={**scores.logits, "gender": torch.tensor([[math.log(3), 0.0]] * 2)})
    right, wrong = -math.log(0.75), -math.log(0.25)
    smoothed = [(1 - SMOOTHING) * one + SMOOTHING * (right + wrong) / 2 for one in (right, wrong)]
    assert float(sharp.nats()) == pytest.approx(sum(smoothed) + math.log(7), rel=1e-5)
    assert len(sharp.targets) == 3


def test_every_label_is_found_in_its_text():
    record = Record("x", Descriptors(gender="male", pitch="low", volume="high", speed="normal"), "sad")
    text = label_text(record)
    found = {name: list(words)[label_places(text, name)] for name, words in LABEL_WORDS.items()}
    assert found == {"emotion": "sad", "gender": "male", "pitch": "low", "volume": "high", "speed": "normal"}


def test_augmented_states_are_spans_of_the_clip():
    torch.manual_seed(0)
    frames, dropped = torch.tensor([100, 40] * 32), []
    layers = torch.arange(100.0).add(1)[None, None, :, None].expand(3, 64, 100, 16)
    found = augmented(LayerStates(layers, frames, torch.zeros(64)))
    for row, (count, most) in enumerate(zip(found.frames.tolist(), frames.tolist(), strict=True)):
        span = found.layers[:, row, :count]
        assert 0.6 * most <= count <= most
        heard = span[:, :, (span != 0).all((0, 1))]  # dimensions that were not dropped, scaled by one factor
        steps = heard.diff(dim=1)
        assert torch.allclose(steps, steps[:, :1].expand_as(steps), atol=1e-4) and 0.9 <= float(steps[0, 0, 0]) <= 1.1
        assert heard[0, -1, 0] / steps[0, 0, 0] <= most + 1e-3
        dropped.append(16 - heard.shape[2])
    assert 5 < sum(dropped) < 200  # of 64 clips with 16 dimensions, one in ten
