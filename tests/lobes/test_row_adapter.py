"""Rows that CTC reads from the sound, against sums by hand."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch import nn

from speechbrain_xser.decoder.heads import HeadsDecoder
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.ctc import collapsed
from speechbrain_xser.lobes.row_adapter import RowAdapter, build_rows
from speechbrain_xser.lobes.token_scores import SHARPNESS, TokenScores, Vocabulary
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.stages import ASR_STAGE, STAGES
from speechbrain_xser.testing import tiny_lobes

CTC = STAGES["ctc"]
WAVS, SAMPLES = torch.randn(2, 16000, generator=torch.Generator().manual_seed(1)), torch.tensor([16000, 12000])
LETTERS = Vocabulary(torch.randn(3, 6), lambda text: ["abc".index(one) for one in text], lambda ids: str(list(ids)))


def lobes(folder):
    found = tiny_lobes(folder)
    content = partial(build_rows, size=300, stack=1, hidden=64)
    return {**found, "branches": {**found["branches"], "content": content}}


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    return build_model(**lobes(tmp_path)).eval()


def said(*classes, sharp=9.0):
    """Scores of frames that clearly say some classes, 0 for the blank."""
    return TokenScores(sharp * torch.eye(4)[list(classes)][None], torch.tensor([len(classes)]), LETTERS)


def test_the_loss_is_that_of_all_paths_that_say_the_answer():
    logits = torch.randn(1, 4, 4)
    chances = logits[0].softmax(-1)
    paths = [p for p in itertools.product(range(4), repeat=4) if collapsed(torch.tensor(p)).tolist() == [1, 3]]
    total = sum(math.prod(float(chances[frame, one]) for frame, one in enumerate(path)) for path in paths)
    scores = TokenScores(logits, torch.tensor([4]), LETTERS).answered(["ac"])
    assert len(paths) > 5 and float(scores.nats()) == pytest.approx(-math.log(total), rel=1e-5)
    assert scores.targets.tolist() == [1, 3]


def test_padding_neither_says_nor_costs_anything():
    padded = said(1, 0, 2, 3, 3)._replace(counts=torch.tensor([3]))
    alone = said(1, 0, 2)
    assert padded.texts() == alone.texts() == ["[0, 1]"]
    assert torch.equal(padded.begins()[:, :3], alone.begins()) and not padded.begins()[:, 3:].any()
    assert padded.answered(["ab"]).nats() == alone.answered(["ab"]).nats()


def test_a_token_begins_where_another_class_was_before():
    assert said(2, 2, 0, 2, 1, 0).begins().int().tolist() == [[1, 0, 0, 1, 1, 0]]


def test_scores_are_products_with_centred_rows_and_with_the_blank():
    adapter = RowAdapter(4, 6, LETTERS, stack=2, hidden=8)
    nn.init.normal_(adapter.blank)
    z = torch.randn(1, 4, 4)
    heard = adapter.output(adapter.hidden(z.reshape(1, 2, 8)).relu())
    centred = LETTERS.rows - LETTERS.rows.mean(0)
    expected = SHARPNESS * heard @ centred.T / centred.square().sum(1).mean()
    found = adapter.scores(z, torch.tensor([4])).logits
    assert torch.allclose(found[..., 1:], expected, atol=1e-5)
    assert torch.allclose(found[..., 0], heard @ adapter.blank, atol=1e-5)


def test_a_row_is_the_mean_of_all_rows_by_their_probability_without_the_blank():
    adapter = RowAdapter(4, 6, LETTERS, stack=1, hidden=8)
    scores = said(1, 1, 0, 3, sharp=2.0)
    adapter.scores = lambda z, frames: scores
    tokens = adapter(torch.zeros(1, 4, 4), torch.tensor([4]))
    e = math.exp(2.0)
    a, c = (torch.tensor(weights) / (e + 2) @ LETTERS.rows for weights in ([e, 1.0, 1.0], [1.0, 1.0, e]))
    assert tokens.counts.tolist() == [2] and torch.allclose(tokens.embeddings[0], torch.stack([a, c]), atol=1e-6)


def test_a_clip_has_no_more_rows_than_scores():
    adapter = RowAdapter(4, 6, LETTERS, stack=1, hidden=8)
    adapter.scores = lambda z, frames: said(1, 2, 1, 2)
    frames = torch.tensor([4])
    assert adapter(torch.zeros(1, 4, 4), frames).counts.tolist() == adapter.most_tokens(frames).tolist() == [4]
    frames = torch.tensor([48])
    assert adapter.token_counts(frames).tolist() == [4] and adapter.most_tokens(frames).tolist() == [48]


def test_a_clip_that_says_nothing_is_one_row_of_zeros():
    adapter = RowAdapter(4, 6, LETTERS, stack=1, hidden=8)
    adapter.scores = lambda z, frames: said(0, 0, 0)
    tokens = adapter(torch.zeros(1, 3, 4), torch.tensor([3]))
    assert tokens.counts.tolist() == [1] and not tokens.embeddings.any()


def test_a_clip_gives_the_same_rows_alone_and_in_a_batch(model):
    together = model.encode(WAVS, SAMPLES, ASR_STAGE)["content"]
    alone = model.encode(WAVS[1:, :12000], SAMPLES[1:], ASR_STAGE)["content"]
    count = int(alone.counts)
    assert int(together.counts[1]) == count
    assert torch.allclose(together.embeddings[1, :count], alone.embeddings[0], atol=1e-4)


def test_the_llm_trains_the_bottleneck_through_the_rows(model):
    model.train()(WAVS, SAMPLES, ASR_STAGE, ["by the door", "kids"]).answer.nats().backward()
    assert model.branches["content"].bottleneck.mix.logits.grad.abs().sum() > 0


def test_a_branch_that_is_off_is_one_row_of_zeros(model):
    tokens = model.encode(WAVS, SAMPLES, STAGES["ser_sed"])["content"]
    assert tokens.embeddings.shape[:2] == (2, 1) and not tokens.embeddings.any()


def test_the_start_learns_to_write_two_clips(model):
    answers = ["by the door", "kids"]
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.branches["content"].parameters(), lr=0.003)
    for _ in range(600):
        optimizer.zero_grad()
        model.eval()(WAVS, SAMPLES, CTC, answers).answer.nats().backward()
        optimizer.step()
    assert model(WAVS, SAMPLES, CTC, answers).answer.scores.texts() == answers


def test_the_start_runs_no_llm_and_hears_all_of_a_clip(model, monkeypatch):
    monkeypatch.setattr(model.decoder, "forward", None)
    scores = model.train()(WAVS, SAMPLES, CTC, ["by the door", "kids"]).answer.scores
    assert scores.counts.tolist() == model.states(WAVS, SAMPLES).frames.tolist()


def test_a_branch_without_scores_has_no_such_start(tmp_path):
    model = build_model(**tiny_lobes(tmp_path))
    with pytest.raises(SettingsError, match="give content: rows"):
        model(WAVS, SAMPLES, CTC, ["by the door", "kids"])


def test_heads_have_no_rows(tmp_path):
    found = tiny_lobes(tmp_path)
    with pytest.raises(SettingsError, match="give llm_source"):
        build_model(**{**found, "branches": {"content": build_rows}, "decoder": HeadsDecoder})


def test_a_trained_folder_brings_the_rows_back(tmp_path):
    built = lobes(tmp_path)
    model = build_model(**built).eval()
    folder = write_model_folder(tmp_path / "trained", model, {"model": built})
    same, settings = read_model_folder(folder)
    assert settings["model"]["branches"]["content"]["size"] == 300
    one, other = (each.encode(WAVS, SAMPLES)["content"] for each in (model, same))
    assert torch.equal(one.counts, other.counts) and torch.equal(one.embeddings, other.embeddings)
