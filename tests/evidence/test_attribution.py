"""The shares of the two branches add up, are those of the game by hand, and a swapped voice is really heard."""

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
    """A decoder whose log-odds of "angry" are known: 1 for content, 2 for the descriptor, 0.5 for both together."""

    def emotion_probabilities(self, content, descriptor, instruction, answers, emotions):
        said, heard = (float(tokens.embeddings.abs().sum() > 0) for tokens in (content, descriptor))
        odds = torch.tensor(-1.0 + said + 2 * heard + 0.5 * said * heard, dtype=torch.float64)
        return torch.stack([odds.sigmoid(), 1 - odds.sigmoid()])[None]


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
    [found] = voice_or_words(model, tokens(), tokens(), SimpleNamespace(instruction=""), ANSWERS[:1], ["angry", "sad"])
    assert found.content == pytest.approx(1.25)  # its own 1 and half of what they are worth only together
    assert found.descriptor == pytest.approx(2.25)


def test_the_shares_add_up_to_both_less_neither(packaged):
    model, heard, emotions = packaged
    for found in voice_or_words(model, *heard, SER_STAGE, ANSWERS, emotions):
        odds = {name: row[found.emotion] for name, row in found.distributions.items()}
        both, neither = (torch.logit(torch.tensor(odds[name], dtype=torch.float64)) for name in ("both", "neither"))
        assert found.total == pytest.approx(float(both - neither), abs=1e-9)
        assert all(sum(row.values()) == pytest.approx(1.0) for row in found.distributions.values())


def test_the_named_emotion_is_explained_or_else_the_most_probable(packaged):
    model, heard, emotions = packaged
    found = voice_or_words(model, *heard, SER_STAGE, ANSWERS, emotions)
    assert [one.emotion for one in found[:2]] == ["angry", "sad"]
    assert found[2].emotion == max(found[2].distributions["both"], key=found[2].distributions["both"].get)


def test_a_branch_that_is_off_carries_nothing(packaged):
    model, (content, descriptor), emotions = packaged
    silent = descriptor._replace(embeddings=torch.zeros_like(descriptor.embeddings))
    for found in voice_or_words(model, content, silent, SER_STAGE, ANSWERS, emotions):
        assert found.descriptor == pytest.approx(0.0, abs=1e-9)


def test_with_its_own_voice_a_clip_keeps_its_label_and_with_another_it_gets_that_of_the_swap(packaged):
    model, (content, descriptor), emotions = packaged
    own = with_voice(model, content, descriptor, SER_STAGE, ANSWERS, emotions)
    both = voice_or_words(model, content, descriptor, SER_STAGE, ANSWERS, emotions)
    assert own.tolist() == [pytest.approx(list(one.distributions["both"].values())) for one in both]
    other = SoftTokens(descriptor.embeddings[:1, : int(descriptor.counts[0])], descriptor.counts[:1])
    swapped = with_voice(model, content, other, SER_STAGE, ANSWERS, emotions)
    torch.testing.assert_close(swapped[0], own[0], atol=1e-6, rtol=1e-5)  # the voice is the first clip's own
    assert (swapped[1] - own[1]).abs().max() > 1e-3
