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
        branches = model.eval().encode_branches(0.1 * torch.randn(1, 16000, generator=generator), torch.tensor([16000]))
    return model, branches, hparams["emotions"]


def tokens_of(branches):
    return {name: output.tokens for name, output in branches.items()}


def odds(model, tokens, emotions, emotion):
    probabilities = model.decoder.emotion_probabilities(tokens, SER_STAGE.instruction, [ANSWER], emotions)
    return torch.logit(probabilities[0, emotions.index(emotion)])


def test_the_scores_with_a_graph_are_those_without(packaged):
    model, branches, emotions = packaged
    tokens = tokens_of(branches)
    scores = word_scores(model, tokens, SER_STAGE, ANSWER, emotions)
    plain = model.decoder.emotion_probabilities(tokens, SER_STAGE.instruction, [ANSWER], emotions)
    torch.testing.assert_close(scores.softmax(0).double(), plain[0], atol=1e-5, rtol=1e-4)


def test_one_step_is_the_slope_of_the_log_odds_as_a_token_grows(packaged):
    model, branches, emotions = packaged
    tokens = tokens_of(branches)
    shares = gradient_times_input(model, tokens, SER_STAGE, ANSWER, emotions, "angry", steps=1)
    name = max(shares, key=lambda branch: float(shares[branch].abs().max()))
    place, step = int(shares[name].abs().argmax()), 0.02

    def grown(factor):
        embeddings = tokens[name].embeddings.clone()
        embeddings[0, place] *= factor
        return odds(model, {**tokens, name: tokens[name]._replace(embeddings=embeddings)}, emotions, "angry")

    slope = (grown(1 + step) - grown(1 - step)) / (2 * step)
    assert float(shares[name][place]) == pytest.approx(float(slope), rel=0.05)


@pytest.mark.slow
def test_the_shares_of_all_tokens_add_up_to_all_branches_less_none(packaged):
    model, branches, emotions = packaged
    tokens = tokens_of(branches)
    off = {name: one.off() for name, one in tokens.items()}
    for emotion in ("angry", "neutral"):
        shares = gradient_times_input(model, tokens, SER_STAGE, ANSWER, emotions, emotion, steps=64)
        expected = float(odds(model, tokens, emotions, emotion) - odds(model, off, emotions, emotion))
        assert float(sum(map(torch.sum, shares.values()))) == pytest.approx(expected, abs=0.05 + 0.05 * abs(expected))


def test_the_divergence_is_that_of_every_frame_from_the_prior(packaged):
    model, branches, emotions = packaged
    where = where_in_time(model, branches, SER_STAGE, ANSWER, emotions, "angry")
    for trace, output in ((trace, branches[name]) for name, trace in where.branches.items()):
        frames = int(output.latent.frames[0])
        posterior = torch.distributions.Normal(*(part[0, :frames] for part in output.latent.posterior))
        prior = torch.distributions.Normal(0.0, 1.0)
        expected = torch.distributions.kl_divergence(posterior, prior).sum(-1)
        torch.testing.assert_close(trace.kl_nats, expected, atol=1e-3, rtol=1e-4)


def test_frames_and_tokens_have_the_times_of_the_convolutions(packaged):
    model, branches, emotions = packaged
    where = where_in_time(model, branches, SER_STAGE, ANSWER, emotions, "angry")
    assert where.frame_seconds == pytest.approx(320 / 16000)  # the packaged encoder's strides: 160 * 2 * 1
    content, descriptor = where.branches.values()
    assert descriptor.token_seconds == pytest.approx(5 * where.frame_seconds)
    assert len(descriptor.shares) == len(descriptor.kl_nats) // 5
    assert float(content.layer_weights.sum()) == pytest.approx(1.0)


def test_a_branch_that_is_off_has_no_divergence_and_no_layers(packaged):
    model, branches, emotions = packaged
    off = {**branches, "descriptor": BranchOutput(branches["descriptor"].tokens.off(), None)}
    trace = where_in_time(model, off, SER_STAGE, ANSWER, emotions, "angry").branches["descriptor"]
    assert trace.kl_nats is None and trace.layer_weights is None and float(trace.shares.abs().sum()) == 0
