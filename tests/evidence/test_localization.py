"""Evidence in time: against finite differences, a second formula, and the evaluations without a graph."""

import pytest
import torch

import speechbrain_xser
from speechbrain_xser.answer import emotion_slot
from speechbrain_xser.evidence import localization
from speechbrain_xser.evidence.localization import _fainter, gradient_times_input, where_in_time, word_scores
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
    torch.testing.assert_close(scores.softmax(1).double(), plain, atol=1e-5, rtol=1e-4)


def test_several_sizes_of_a_clip_are_scored_together_whatever_the_number_of_a_word_s_tokens(packaged, monkeypatch):
    model, branches, emotions = packaged
    tokens, sizes = tokens_of(branches), torch.tensor([1.0, 0.1, 0.001])
    monkeypatch.setattr(emotion_slot, "emotion_phrase", lambda emotion, form: f"{emotion} and so"[: len(emotion) + 5])
    together = word_scores(model, {n: _fainter(one, sizes) for n, one in tokens.items()}, SER_STAGE, ANSWER, emotions)
    slot = emotion_slot.emotion_slot(ANSWER, tuple(emotions))
    assert max(len(model.decoder.plain_tokens(word)) for word in slot.words) > 2
    for size, found in zip(sizes, together, strict=True):
        alone = {name: one._replace(embeddings=size * one.embeddings) for name, one in tokens.items()}
        [expected] = model.decoder.score(alone, SER_STAGE.instruction, [slot.prefix], [slot.words])
        torch.testing.assert_close(found.detach(), expected, atol=1e-4, rtol=1e-4)


def test_steps_that_go_together_give_what_each_gives_alone(packaged, monkeypatch):
    model, branches, emotions = packaged
    asked = (model, tokens_of(branches), SER_STAGE, ANSWER, emotions, "angry")
    together = gradient_times_input(*asked, steps=6)
    monkeypatch.setattr(localization, "POSITIONS", 1)
    alone = gradient_times_input(*asked, steps=6)
    for name, shares in together.items():
        torch.testing.assert_close(shares, alone[name], atol=1e-4, rtol=1e-3)


def test_shares_are_of_the_probabilities_with_their_temperature(packaged, monkeypatch):
    model, branches, emotions = packaged
    asked = (model, tokens_of(branches), SER_STAGE, ANSWER, ["angry", "sad"], "angry")  # two classes: odds are linear
    plain = gradient_times_input(*asked, steps=6)
    monkeypatch.setattr(model.decoder, "emotion_temperature", 2.0)
    for name, shares in gradient_times_input(*asked, steps=6).items():
        torch.testing.assert_close(shares, plain[name] / 2, atol=1e-4, rtol=1e-3)


def test_the_path_from_silence_takes_few_calls_and_its_opening_is_not_computed_anew(packaged, monkeypatch):
    """24 steps of a text of 80 tokens or so: three at a time, after one opening for the three."""
    model, branches, emotions = packaged
    streams, real = [], localization.last_states
    monkeypatch.setattr(
        localization, "last_states", lambda llm, stream, *rest: streams.append(rest[0]) or real(llm, stream, *rest)
    )
    gradient_times_input(model, tokens_of(branches), SER_STAGE, ANSWER, emotions, "angry")
    assert [len(layout.counts) for layout in streams] == [3] * (1 + 8)  # where the path starts, and the path
    assert all(layout.prefix > 0 for layout in streams)


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
