"""The adapter, against a loop over tokens by hand."""

import pytest
import torch

from speechbrain_xser.lobes import Adapter


@pytest.fixture
def adapter():
    torch.manual_seed(0)
    return Adapter(latent=4, width=6, stack=5, hidden=8)


def _token_by_hand(adapter, frames):
    """Linear-ReLU-Linear of five frames one after the other in one vector."""
    vector = torch.cat(list(frames))
    hidden = (adapter.hidden.weight @ vector + adapter.hidden.bias).clamp(min=0)
    return adapter.output.weight @ hidden + adapter.output.bias


def test_tokens_are_those_of_a_loop_over_five_frames_each(adapter):
    z, frames = torch.randn(3, 23, 4), torch.tensor([23, 15, 9])
    tokens = adapter(z, frames)
    assert tokens.counts.tolist() == [4, 3, 1] and tokens.embeddings.shape == (3, 4, 6)
    for row, count in enumerate(tokens.counts.tolist()):
        for token in range(count):
            expected = _token_by_hand(adapter, z[row, 5 * token : 5 * token + 5])
            assert torch.allclose(tokens.embeddings[row, token], expected, atol=1e-6)


def test_positions_beyond_the_count_are_zero(adapter):
    tokens = adapter(torch.randn(2, 20, 4), torch.tensor([20, 7]))
    assert tokens.embeddings[1, 1:].abs().sum() == 0
    assert (tokens.embeddings[0].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("padded", [3, 5, 12])
def test_a_clip_of_fewer_frames_than_the_stack_gives_one_token_with_zeros_behind(adapter, padded):
    z = torch.randn(1, padded, 4)
    tokens = adapter(z, torch.tensor([3]))
    expected = _token_by_hand(adapter, torch.cat([z[0, :3], torch.zeros(2, 4)]))
    assert tokens.counts.tolist() == [1]
    assert torch.allclose(tokens.embeddings[0, 0], expected, atol=1e-6)


def test_what_stands_at_padding_does_not_matter(adapter):
    z, frames = torch.randn(2, 10, 4), torch.tensor([10, 2])
    other = z.clone()
    other[1, 2:] = 1e6
    assert torch.equal(adapter(z, frames).embeddings, adapter(other, frames).embeddings)


def test_token_counts_are_whole_stacks_and_at_least_one(adapter):
    assert adapter.token_counts(torch.tensor([0, 1, 4, 5, 9, 10, 199])).tolist() == [1, 1, 1, 1, 1, 2, 39]


def test_off_tokens_have_the_shape_and_counts_of_spoken_ones(adapter):
    frames = torch.tensor([23, 3])
    spoken, off = adapter(torch.randn(2, 23, 4), frames), adapter.off(frames, longest=23)
    assert off.embeddings.shape == spoken.embeddings.shape and torch.equal(off.counts, spoken.counts)
    assert off.embeddings.abs().sum() == 0


def test_it_runs_under_bfloat16_autocast(adapter):
    z, frames = torch.randn(1, 10, 4), torch.tensor([10])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = adapter(z, frames)
    assert tokens.embeddings.dtype == torch.bfloat16
    assert torch.allclose(tokens.embeddings.float(), adapter(z, frames).embeddings, atol=0.05)


def test_the_parameters_are_those_of_the_papers_size_by_hand():
    with torch.device("meta"):
        adapter = Adapter(latent=128, width=4096)
    assert sum(parameter.numel() for parameter in adapter.parameters()) == 640 * 2048 + 2048 + 2048 * 4096 + 4096
