"""The layer mix and the variational bottleneck, against torch.distributions and sums by hand."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from speechbrain_xser.lobes import LayerMix, LayerStates, VariationalBottleneck, gaussian_kl


@pytest.fixture
def states():
    generator = torch.Generator().manual_seed(0)
    layers = torch.randn(3, 2, 7, 8, generator=generator)
    return LayerStates(layers, torch.tensor([7, 4]), torch.tensor([-20.0, -40.0]))


def _bottleneck(**options):
    torch.manual_seed(0)
    return VariationalBottleneck(layer_count=3, width=8, latent=4, **options)


def test_the_mix_is_the_weighted_sum_of_the_stacked_layers(states):
    mix = LayerMix(3)
    torch.nn.init.normal_(mix.logits)
    weights = torch.exp(mix.logits) / torch.exp(mix.logits).sum()
    expected = sum(weight * layer for weight, layer in zip(weights, states.layers, strict=True))
    assert torch.allclose(mix(states.layers), expected, atol=1e-6)
    assert mix.weights.sum().item() == pytest.approx(1.0)


def test_the_mix_starts_uniform():
    assert torch.allclose(LayerMix(4).weights, torch.full((4,), 0.25))


def test_the_mix_gives_the_gradient_of_the_stacked_sum_to_its_logits(states):
    mix, logits = LayerMix(3), torch.zeros(3, requires_grad=True)
    mix(states.layers).square().sum().backward()
    torch.einsum("n,nbtd->btd", logits.softmax(0), states.layers).square().sum().backward()
    assert torch.allclose(mix.logits.grad, logits.grad, rtol=1e-4)


def test_the_mix_keeps_no_copy_of_the_layers_for_backward(states):
    saved = []
    layers = states.layers
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda kept: kept):
        LayerMix(3)(layers)
    big = [tensor for tensor in saved if tensor.numel() >= layers.numel()]
    assert big and all(tensor.untyped_storage().data_ptr() == layers.untyped_storage().data_ptr() for tensor in big)


def test_under_bfloat16_autocast_the_mix_of_float32_layers_is_not_rounded(states):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = LayerMix(3)(states.layers)
    assert mixed.dtype == torch.float32
    assert torch.allclose(mixed, states.layers.mean(0), atol=1e-6)


def test_the_divergence_is_that_of_torch_distributions():
    mean, sigma = torch.randn(2, 5, 6), torch.rand(2, 5, 6) + 0.01
    expected = kl_divergence(Normal(mean, sigma), Normal(0.0, 1.0)).sum(-1)
    assert torch.allclose(gaussian_kl(mean, sigma), expected, rtol=1e-5)


def test_the_divergence_of_the_standard_gaussian_is_zero():
    assert gaussian_kl(torch.zeros(1, 3, 4), torch.ones(1, 3, 4)).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_divergence_is_in_float32_under_autocast(states, dtype):
    bottleneck = _bottleneck()
    with torch.autocast("cpu", dtype=dtype):
        latent = bottleneck(states)
    assert latent.kl.dtype == torch.float32 and latent.posterior.sigma.dtype == torch.float32
    expected = kl_divergence(Normal(*latent.posterior), Normal(0.0, 1.0)).sum(-1)
    assert torch.allclose(latent.kl[0], expected[0], rtol=1e-5)


def test_gradients_are_finite_under_bfloat16_autocast(states):
    bottleneck = _bottleneck(level_feature=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latent = bottleneck(states)
    (latent.kl.sum() + latent.z.square().sum()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in bottleneck.parameters())


def test_states_in_bfloat16_go_through_parameters_in_float32(states):
    latent = _bottleneck().eval()(states._replace(layers=states.layers.bfloat16()))
    assert latent.z.dtype == torch.float32
    assert torch.allclose(latent.z, _bottleneck().eval()(states).z, atol=0.02)


def test_a_huge_spread_gives_a_finite_divergence():
    kl = gaussian_kl(torch.zeros(1, 1, 2), torch.nn.functional.softplus(torch.tensor([[[-200.0, 200.0]]])) + 1e-6)
    expected = 0.5 * (1e-12 - 1 - 2 * math.log(1e-6)) + 0.5 * (200**2 - 1 - 2 * math.log(200))
    assert float(kl) == pytest.approx(expected, rel=1e-5)


def test_in_eval_z_is_the_mean(states):
    latent = _bottleneck().eval()(states)
    assert torch.equal(latent.z[0], latent.posterior.mean[0])
    assert torch.equal(latent.z[1, :4], latent.posterior.mean[1, :4])


@pytest.mark.slow
def test_in_training_samples_differ_and_follow_the_posterior(states):
    bottleneck = _bottleneck().train()
    samples = torch.stack([bottleneck(states).z[0] for _ in range(2000)])
    posterior = bottleneck.posterior(states)
    assert not torch.equal(samples[0], samples[1])
    assert ((samples.mean(0) - posterior.mean[0]).abs() < 5 * posterior.sigma[0] / math.sqrt(2000)).all()
    assert torch.allclose(samples.std(0), posterior.sigma[0], rtol=0.1)


def test_a_draw_passes_gradients_to_mean_and_deviation(states):
    bottleneck = _bottleneck().train()
    bottleneck(states).z.sum().backward()
    assert (bottleneck.head.weight.grad.abs().sum(1) > 0).all()


def test_sigma_starts_at_about_two_hundredths(states):
    sigma = _bottleneck().posterior(states._replace(layers=torch.zeros_like(states.layers))).sigma
    assert sigma.mean().item() == pytest.approx(math.log1p(math.exp(-4.0)), rel=0.25)  # softplus(-4) = 0.0181


def test_sigma_as_variance_has_its_square_root_as_deviation(states):
    sigma = _bottleneck().posterior(states).sigma
    assert torch.allclose(_bottleneck(sigma_is_variance=True).posterior(states).sigma, sigma.sqrt())


def test_padding_has_no_latent_and_no_divergence(states):
    latent = _bottleneck().train()(states)
    assert latent.z[1, 4:].abs().sum() == 0 and latent.kl[1, 4:].abs().sum() == 0
    assert (latent.kl[1, :4] > 0).all()


def test_padding_does_not_change_an_utterance(states):
    padded = states._replace(layers=torch.cat([states.layers, 1e3 * torch.randn(3, 2, 9, 8)], 2))
    bottleneck = _bottleneck().eval()
    short, long = bottleneck(states), bottleneck(padded)
    assert torch.allclose(short.kl.sum(1), long.kl.sum(1), rtol=1e-6)
    assert torch.allclose(short.z, long.z[:, :7], atol=1e-6)


def test_the_divergence_of_a_frame_is_the_sum_over_the_latent(states):
    latent = _bottleneck().eval()(states)
    mean, sigma = latent.posterior
    by_hand = sum(
        0.5 * (m.item() ** 2 + s.item() ** 2 - 1 - 2 * math.log(s.item()))
        for m, s in zip(mean[1, 2], sigma[1, 2], strict=True)
    )
    assert latent.kl[1, 2].item() == pytest.approx(by_hand, rel=1e-5)


def test_without_the_level_feature_the_level_is_not_heard(states):
    bottleneck = _bottleneck().eval()
    assert torch.equal(bottleneck(states).z, bottleneck(states._replace(level=torch.zeros(2))).z)


def test_the_level_feature_adds_a_projection_of_the_level_to_the_mixed_layers(states):
    bottleneck = _bottleneck(level_feature=True).eval()
    projection = bottleneck.level.projection
    scaled = torch.tensor([0.5, -0.5])  # (-20 + 30) / 20 and (-40 + 30) / 20
    offset = scaled[:, None] * projection.weight[:, 0] + projection.bias
    plain = bottleneck.head(bottleneck.encoder(states.layers.mean(0) + offset[:, None]))[..., :4]
    assert torch.allclose(bottleneck(states).posterior.mean, plain, atol=1e-5)


def test_the_level_feature_stays_finite_at_silence(states):
    latent = _bottleneck(level_feature=True).eval()(states._replace(level=torch.full((2,), -100.0)))
    assert latent.kl.isfinite().all()


class Shifted(torch.nn.Module):
    """A Gaussian of standard deviation one around a learned mean."""

    def __init__(self, latent):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.full((latent,), 0.5))

    def forward(self, mean, sigma):
        return gaussian_kl(mean - self.mean, sigma)


def test_the_divergence_is_from_the_prior_that_is_given_and_the_prior_learns(states):
    bottleneck = _bottleneck(prior=Shifted)
    latent = bottleneck(states)
    expected = kl_divergence(Normal(*latent.posterior), Normal(torch.full((4,), 0.5), 1.0)).sum(-1)
    assert torch.allclose(latent.kl[0], expected[0], rtol=1e-5) and not latent.kl[1, 4:].any()
    latent.kl.sum().backward()
    assert (bottleneck.prior.mean.grad != 0).all() and "prior.mean" in bottleneck.state_dict()


def test_another_prior_changes_the_divergence_alone(states):
    one, other = _bottleneck().eval()(states), _bottleneck(prior=Shifted).eval()(states)
    assert torch.equal(one.z, other.z) and not torch.allclose(one.kl, other.kl)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_prior_is_given_float32_under_autocast(states, dtype):
    bottleneck, given = _bottleneck(prior=Shifted), []
    bottleneck.prior.register_forward_pre_hook(lambda _, inputs: given.extend(part.dtype for part in inputs))
    with torch.autocast("cpu", dtype=dtype):
        bottleneck(states)
    assert given == [torch.float32] * 2


def test_the_parameters_are_those_of_the_papers_size_by_hand():
    with torch.device("meta"):
        bottleneck = VariationalBottleneck(layer_count=24, width=1024, latent=128)
    by_hand = 24 + 2 * (1024 * 1024 + 1024) + 1024 * 256 + 256
    assert sum(parameter.numel() for parameter in bottleneck.parameters()) == by_hand == 2_361_624
