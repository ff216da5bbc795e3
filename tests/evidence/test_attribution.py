"""The branches' shares add up and match the game by hand, and a swapped voice changes the answer."""

from types import SimpleNamespace

import pytest
import torch

import speechbrain_xser
from speechbrain_xser.evidence.attribution import voice_or_words, with_voice
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.stages import SER_STAGE

EMOTIONS = ["angry", "happy", "sad"]
ANSWERS = ["A man speaks, his anger evident.", "A woman speaks, sounding sad.", "nothing is named"]


class Additive(torch.nn.Module):
    """A decoder with known log-odds of "angry": 1 for content, 2 for the descriptor, 0.5 for both together, and
    0.6 for all three."""

    def emotion_probabilities(self, tokens, instruction, answers, emotions):
        said, heard, who = (on(tokens, name) for name in ("content", "descriptor", "speaker"))
        value = -1.0 + said + 2 * heard + 0.5 * said * heard + 0.6 * said * heard * who
        odds = torch.tensor(value, dtype=torch.float64)
        return torch.stack([odds.sigmoid(), 1 - odds.sigmoid()])[None]


def on(tokens, name):
    return float(name in tokens and tokens[name].embeddings.abs().sum() > 0)


def tokens(rows=1):
    return SoftTokens(torch.ones(rows, 3, 4), torch.full((rows,), 3))


@pytest.fixture(scope="module")
def packaged():
    model, hparams = read_model_folder(speechbrain_xser.packaged_model())
    generator = torch.Generator().manual_seed(2)
    wavs, samples = 0.1 * torch.randn(3, 24000, generator=generator), torch.tensor([24000, 16000, 9000])
    return model.eval(), model.encode(wavs, samples), hparams["emotions"]


def test_the_shares_are_the_shapley_values_of_the_game_by_hand():
    model = torch.nn.Module()
    model.decoder = Additive()
    both = {"content": tokens(), "descriptor": tokens()}
    [found] = voice_or_words(model, both, SimpleNamespace(instruction=""), ANSWERS[:1], ["angry", "sad"])
    # its own, and half of what they are worth only together
    assert found.shares == pytest.approx({"content": 1.25, "descriptor": 2.25})


def test_three_branches_share_their_worth_over_all_eight_coalitions():
    model = torch.nn.Module()
    model.decoder = Additive()
    heard = {"content": tokens(), "descriptor": tokens(), "speaker": tokens()}
    [found] = voice_or_words(model, heard, SimpleNamespace(instruction=""), ANSWERS[:1], ["angry", "sad"])
    assert len(found.distributions) == 8 and {"all", "none", "content+speaker"} < set(found.distributions)
    # 0.5 is shared by two, 0.6 by three
    assert found.shares == pytest.approx({"content": 1.45, "descriptor": 2.45, "speaker": 0.2})
    assert found.carrier == "descriptor" and found.total == pytest.approx(4.1)


def test_the_shares_add_up_to_all_less_none(packaged):
    model, heard, emotions = packaged
    for found in voice_or_words(model, heard, SER_STAGE, ANSWERS, emotions):
        odds = {name: row[found.emotion] for name, row in found.distributions.items()}
        whole, none = (torch.logit(torch.tensor(odds[name], dtype=torch.float64)) for name in ("all", "none"))
        assert found.total == pytest.approx(float(whole - none), abs=1e-9)
        assert all(sum(row.values()) == pytest.approx(1.0) for row in found.distributions.values())


def test_the_named_emotion_is_explained_or_else_the_most_probable(packaged):
    model, heard, emotions = packaged
    found = voice_or_words(model, heard, SER_STAGE, ANSWERS, emotions)
    assert [one.emotion for one in found[:2]] == ["angry", "sad"]
    assert found[2].emotion == max(found[2].distributions["all"], key=found[2].distributions["all"].get)


def test_a_branch_that_is_off_carries_nothing(packaged):
    model, heard, emotions = packaged
    off = {**heard, "descriptor": heard["descriptor"].off()}
    for found in voice_or_words(model, off, SER_STAGE, ANSWERS, emotions):
        assert found.shares["descriptor"] == pytest.approx(0.0, abs=1e-9)


def test_with_its_own_voice_a_clip_keeps_its_label_and_with_another_it_gets_that_of_the_swap(packaged):
    model, heard, emotions = packaged
    descriptor = heard["descriptor"]
    own = with_voice(model, heard, descriptor, SER_STAGE, ANSWERS, emotions)
    both = voice_or_words(model, heard, SER_STAGE, ANSWERS, emotions)
    assert own.tolist() == [pytest.approx(list(one.distributions["all"].values())) for one in both]
    other = SoftTokens(descriptor.embeddings[:1, : int(descriptor.counts[0])], descriptor.counts[:1])
    swapped = with_voice(model, heard, other, SER_STAGE, ANSWERS, emotions)
    torch.testing.assert_close(swapped[0], own[0], atol=1e-6, rtol=1e-5)  # the voice is the first clip's own
    assert (swapped[1] - own[1]).abs().max() > 1e-3
