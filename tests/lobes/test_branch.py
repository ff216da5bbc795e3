"""The three modes of a branch."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from speechbrain_xser.lobes import Adapter, Branch, LayerStates, VariationalBottleneck, off_tokens
from speechbrain_xser.lobes.bottleneck import Latent
from speechbrain_xser.lobes.branch import branch_sums
from speechbrain_xser.stages import Mode


@pytest.fixture
def branch():
    torch.manual_seed(0)
    return Branch(VariationalBottleneck(3, 8, latent=4, sigma_bias=0.0), Adapter(4, 6, stack=5, hidden=8)).train()


@pytest.fixture
def states():
    return LayerStates(torch.randn(3, 2, 12, 8), torch.tensor([12, 3]), torch.zeros(2))


def test_a_training_branch_samples_and_passes_gradients_to_every_parameter(branch, states):
    output = branch(states, "train")
    assert not torch.equal(output.tokens.embeddings, branch(states, "train").tokens.embeddings)
    output.tokens.embeddings.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in branch.parameters())


def test_a_training_branch_in_eval_takes_the_mean(branch, states):
    frozen = branch(states, "frozen").tokens.embeddings
    assert torch.equal(branch.eval()(states, "train").tokens.embeddings, frozen)


def test_a_frozen_branch_takes_the_mean_while_its_module_is_in_training(branch, states):
    output = branch(states, Mode.FROZEN)
    assert branch.training
    assert torch.equal(output.latent.z[0], output.latent.posterior.mean[0])


def test_a_frozen_branch_keeps_no_graph_and_toggles_nothing(branch, states):
    output = branch(states, "frozen")
    assert not output.tokens.embeddings.requires_grad and not output.latent.kl.requires_grad
    assert all(parameter.requires_grad for parameter in branch.parameters())


def test_a_frozen_branch_draws_nothing_from_the_random_generator(branch, states):
    before = torch.get_rng_state()
    branch(states, "frozen")
    assert torch.equal(before, torch.get_rng_state())


def test_a_branch_that_is_off_gives_zero_vectors_of_the_same_counts(branch, states):
    on, off = branch(states, "train").tokens, branch(states, "off").tokens
    assert off.embeddings.shape == on.embeddings.shape and torch.equal(off.counts, on.counts)
    assert off.embeddings.abs().sum() == 0


def test_a_branch_that_is_off_computes_nothing(branch, states):
    for module in branch.modules():
        module.register_forward_pre_hook(_refuse_all_but(branch))
    with FlopCounterMode(display=False) as counter:
        output = branch(states, "off")
    assert counter.get_total_flops() == 0
    assert output.latent is None


def _refuse_all_but(branch):
    def refuse(module, inputs):
        assert module is branch, f"{type(module).__name__} was called"

    return refuse


def test_off_tokens_of_a_branch_are_those_of_its_adapter(branch, states):
    of_branch, of_adapter = off_tokens(branch, states), off_tokens(branch.adapter, states)
    assert torch.equal(of_branch.embeddings, of_adapter.embeddings)
    assert of_branch.counts.tolist() == [2, 1]


def test_an_unknown_mode_is_refused_by_name(branch, states):
    with pytest.raises(ValueError, match="'asleep' is not a valid Mode"):
        branch(states, "asleep")


def test_each_utterance_has_the_tokens_of_its_own_batch_of_one(branch, states):
    batch = branch.eval()(states).tokens
    short = LayerStates(states.layers[:, 1:, :3], states.frames[1:], states.level[1:])
    assert torch.allclose(branch(short).tokens.embeddings[0, 0], batch.embeddings[1, 0], atol=1e-6)


def test_two_branches_on_one_encoder_have_their_own_layer_weights():
    branches = nn.ModuleDict({name: Branch(VariationalBottleneck(3, 8, 4), Adapter(4, 6)) for name in "ab"})
    assert branches["a"].bottleneck.mix.logits is not branches["b"].bottleneck.mix.logits


def test_a_frozen_branch_of_any_kind_neither_drops_out_nor_changes_its_mode():
    class Dropping(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, states):
            z = self.dropout(states.layers[0])
            return Latent(z, states.frames, None, torch.zeros(z.shape[:2]))

    branch = Branch(Dropping(), Adapter(8, 6)).train()
    states = LayerStates(torch.ones(3, 2, 12, 8), torch.tensor([12, 7]), torch.zeros(2))
    first, second = (branch(states, "frozen").latent.z for _ in range(2))
    assert torch.equal(first, torch.ones(2, 12, 8)) and torch.equal(first, second)
    assert branch.bottleneck.dropout.training


def summing(*modes):
    """Two branches over three layers, and their sums in these modes."""
    modes = dict(zip("ab", modes, strict=True))
    pair = {name: Branch(VariationalBottleneck(3, 8, latent=4), Adapter(4, 6)) for name in modes}
    return pair, branch_sums(torch.randn(3, 2, 12, 8), pair, modes)


def test_nothing_is_summed_for_a_branch_that_is_off():
    _, sums = summing("train", "off")
    assert list(sums) == ["a"] and sums["a"].shape == (2, 12, 8)


def test_a_frozen_branchs_layer_weights_get_no_gradient_from_the_common_product():
    pair, sums = summing("train", "frozen")
    sum(one.square().sum() for one in sums.values()).backward()
    trained, frozen = pair.values()
    assert trained.bottleneck.mix.logits.grad.abs().sum() > 0 and frozen.bottleneck.mix.logits.grad is None
