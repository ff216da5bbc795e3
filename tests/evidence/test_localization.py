"""Evidence in time: against finite differences, a second formula, and the evaluations without a graph."""

import pytest
import torch

import speechbrain_xser
from speechbrain_xser.evidence.localization import gradient_times_input, where_in_time, word_scores
from speechbrain_xser.lobes.branch import BranchOutput
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.stages import SER_STAGE

ANSWER = 'A young man speaks with low pitch, "The door is open", his anger evident.'


@pytest.fixture(scope="module")
def packaged():
    model, hparams = read_model_folder(speechbrain_xser.packaged_model(), {"llm_dtype": "float32"})
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        branches = model.eval().branches(0.1 * torch.randn(1, 16000, generator=generator), torch.tensor([16000]))
    return model, branches, hparams["emotions"]


def odds(model, content, descriptor, emotions, emotion):
    probabilities = model.decoder.emotion_probabilities(content, descriptor, SER_STAGE.instruction, [ANSWER], emotions)
    return torch.logit(probabilities[0, emotions.index(emotion)])


def test_the_scores_with_a_graph_are_those_without(packaged):
    model, (content, descriptor), emotions = packaged
    scores = word_scores(model, content.tokens, descriptor.tokens, SER_STAGE, ANSWER, emotions)
    plain = model.decoder.emotion_probabilities(
        content.tokens, descriptor.tokens, SER_STAGE.instruction, [ANSWER], emotions
    )
    torch.testing.assert_close(scores.softmax(0).double(), plain[0], atol=1e-5, rtol=1e-4)


def test_one_step_is_the_slope_of_the_log_odds_as_a_token_grows(packaged):
    model, (content, descriptor), emotions = packaged
    arguments = (content.tokens, descriptor.tokens, SER_STAGE, ANSWER, emotions, "angry")
    shares = torch.cat(gradient_times_input(model, *arguments, steps=1))
    place, step = int(shares.abs().argmax()), 0.02
    count = int(content.tokens.counts[0])
    tokens = (content.tokens, place) if place < count else (descriptor.tokens, place - count)

    def grown(factor):
        embeddings = tokens[0].embeddings.clone()
        embeddings[0, tokens[1]] *= factor
        changed = tokens[0]._replace(embeddings=embeddings)
        pair = (changed, descriptor.tokens) if place < count else (content.tokens, changed)
        return odds(model, *pair, emotions, "angry")

    slope = (grown(1 + step) - grown(1 - step)) / (2 * step)
    assert float(shares[place]) == pytest.approx(float(slope), rel=0.05)


@pytest.mark.slow
def test_the_shares_of_all_tokens_add_up_to_both_branches_less_neither(packaged):
    model, (content, descriptor), emotions = packaged
    silent = [one.tokens._replace(embeddings=torch.zeros_like(one.tokens.embeddings)) for one in (content, descriptor)]
    for emotion in ("angry", "neutral"):
        arguments = (content.tokens, descriptor.tokens, SER_STAGE, ANSWER, emotions, emotion)
        shares = gradient_times_input(model, *arguments, steps=64)
        both = odds(model, content.tokens, descriptor.tokens, emotions, emotion)
        expected = float(both - odds(model, *silent, emotions, emotion))
        assert float(sum(map(torch.sum, shares))) == pytest.approx(expected, abs=0.05 + 0.05 * abs(expected))


def test_the_divergence_is_that_of_every_frame_from_the_prior(packaged):
    model, (content, descriptor), emotions = packaged
    where = where_in_time(model, content, descriptor, SER_STAGE, ANSWER, emotions, "angry")
    for trace, output in ((where.content, content), (where.descriptor, descriptor)):
        frames = int(output.latent.frames[0])
        posterior = torch.distributions.Normal(*(part[0, :frames] for part in output.latent.posterior))
        prior = torch.distributions.Normal(0.0, 1.0)
        expected = torch.distributions.kl_divergence(posterior, prior).sum(-1)
        torch.testing.assert_close(trace.kl_nats, expected, atol=1e-3, rtol=1e-4)


def test_frames_and_tokens_lie_where_the_convolutions_put_them(packaged):
    model, (content, descriptor), emotions = packaged
    where = where_in_time(model, content, descriptor, SER_STAGE, ANSWER, emotions, "angry")
    assert where.frame_seconds == pytest.approx(320 / 16000)  # the packaged encoder's strides: 160 * 2 * 1
    assert where.token_seconds == pytest.approx(5 * where.frame_seconds)
    assert len(where.descriptor.shares) == len(where.descriptor.kl_nats) // 5
    assert float(where.content.layer_weights.sum()) == pytest.approx(1.0)


def test_a_branch_that_is_off_has_no_divergence_and_no_layers(packaged):
    model, (content, descriptor), emotions = packaged
    silent = descriptor.tokens._replace(embeddings=torch.zeros_like(descriptor.tokens.embeddings))
    off = BranchOutput(silent, None)
    trace = where_in_time(model, content, off, SER_STAGE, ANSWER, emotions, "angry").descriptor
    assert trace.kl_nats is None and trace.layer_weights is None and float(trace.shares.abs().sum()) == 0
