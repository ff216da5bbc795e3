"""The variational information bottleneck over a frozen encoder's layers (paper, Sec. 3.3).

A softmax-weighted sum of the layers passes through two Linear-GELU and one Linear to mean and sigma: one Gaussian for
each frame. Training draws a sample, inference takes the mean. The divergence is in float32 even under autocast. Sigma
starts small, so that the decoder receives a signal before the divergence has weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from speechbrain_xser.lobes.layer_mix import LayerMix
from speechbrain_xser.lobes.noise import gaussian_noise
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.utils.lengths import valid_mask

SMALLEST_SIGMA = 1e-6
Divergence = Callable[[Tensor, Tensor], Tensor]  # of a posterior from a prior: mean and sigma [..., Z] to nats [...]


class Posterior(NamedTuple):
    """A diagonal Gaussian for each frame, in float32.

    Example
    -------
    >>> float(gaussian_kl(*Posterior(torch.zeros(4), torch.ones(4))))  # the standard Gaussian, from itself
    0.0
    """

    mean: Tensor  # [B, T, Z]
    sigma: Tensor  # [B, T, Z], the standard deviation, above 0


class Latent(NamedTuple):
    """A latent for each frame, with what the loss needs.

    Example
    -------
    >>> states = LayerStates(torch.randn(1, 1, 5, 8), torch.tensor([2]), torch.zeros(1))
    >>> latent = VariationalBottleneck(layer_count=1, width=8, latent=4)(states)
    >>> latent.z[0, 2:].count_nonzero(), latent.kl[0, 2:].count_nonzero()
    (tensor(0), tensor(0))
    """

    z: Tensor  # [B, T, Z], zero at padding
    frames: Tensor  # [B] int64, valid frames
    posterior: Posterior | None  # None where there is no bottleneck
    kl: Tensor  # [B, T] float32, nats a frame, zero at padding
    log_probability: Tensor | None = None  # [B] float32, a recogniser's, mean over the words; None where it is no text


class VariationalBottleneck(nn.Module):
    """Maps layers to one Gaussian latent for each frame.

    Sources: deep variational information bottleneck (Alemi et al., 2017, ICLR); the reparameterised sample (Kingma &
    Welling, 2014, ICLR).

    Arguments
    ---------
    layer_count : int
        Number of layers n of the encoder.
    width : int
        Width d of the encoder.
    latent : int
        Size Z of the latent.
    sigma_bias : float
        Initial bias of s in ``sigma = softplus(s) + 1e-6``; with -4, sigma starts at about 0.02.
    sigma_is_variance : bool
        Take ``softplus(s) + 1e-6`` as the variance instead (paper's ref. [7]).
    level_feature : bool
        Add a learned projection of the utterance's level in dB to the input: an encoder that normalises the waveform
        cannot hear loudness. Not in the paper.
    prior : callable, optional
        A prior other than N(0, I). It is called with ``latent`` and returns a module. The module takes a posterior's
        mean and sigma, [..., Z] in float32, and returns the divergence from the prior in nats, [...]. Its parameters
        train.

    Example
    -------
    >>> bottleneck = VariationalBottleneck(layer_count=3, width=8, latent=4)
    >>> states = LayerStates(torch.randn(3, 2, 5, 8), torch.tensor([5, 2]), torch.tensor([-20.0, -30.0]))
    >>> latent = bottleneck.eval()(states)
    >>> torch.equal(latent.z[0], latent.posterior.mean[0])
    True
    >>> latent.kl[1, 2:]
    tensor([0., 0., 0.], grad_fn=<SliceBackward0>)
    """

    takes_mixed = True  # forward's second argument

    def __init__(
        self,
        layer_count: int,
        width: int,
        latent: int = 128,
        sigma_bias: float = -4.0,
        sigma_is_variance: bool = False,
        level_feature: bool = False,
        prior: Callable[..., Divergence] | None = None,
    ) -> None:
        super().__init__()
        self.size = latent
        self.prior: Divergence = gaussian_kl if prior is None else prior(latent=latent)
        self.sigma_is_variance = sigma_is_variance
        self.mix = LayerMix(layer_count)
        self.level = LevelFeature(width) if level_feature else None
        self.encoder = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.head = nn.Linear(width, 2 * latent)
        nn.init.constant_(self.head.bias[latent:], sigma_bias)

    def forward(self, states: LayerStates, mixed: Tensor | None = None) -> Latent:
        """Encodes the layers of a batch.

        Arguments
        ---------
        states : LayerStates
            Layers [n, B, T, d], frames [B], level [B].
        mixed : Tensor, optional
            Their sum by ``mix``, [B, T, d], if it was already computed together with other branches' sums.

        Returns
        -------
        Latent
            z [B, T, Z] in the type of this module's parameters, and the divergence of every frame, [B, T].

        Example
        -------
        >>> states = LayerStates(torch.randn(3, 2, 5, 8), torch.tensor([5, 2]), torch.zeros(2))
        >>> first, second = (VariationalBottleneck(3, 8, latent=4).train()(states).z for _ in range(2))
        >>> torch.equal(first[0], second[0]), first[1, 2:].abs().sum()  # sampled in training; zero at padding
        (False, tensor(0., grad_fn=<SumBackward0>))
        """
        posterior = self.posterior(states, mixed)
        z = _drawn(posterior, states.frames) if self.training else posterior.mean
        valid = valid_mask(states.frames, z.shape[1], z.device)
        z = torch.where(valid[..., None], z, 0.0).to(self.head.weight.dtype)
        return Latent(z, states.frames, posterior, torch.where(valid, self.prior(*posterior), 0.0))

    def posterior(self, states: LayerStates, mixed: Tensor | None = None) -> Posterior:
        """The Gaussian of every frame, padding included.

        Arguments
        ---------
        states : LayerStates
            Layers [n, B, T, d], frames [B], level [B].
        mixed : Tensor, optional
            Their sum by ``mix``, [B, T, d].

        Returns
        -------
        Posterior
            Mean and standard deviation, [B, T, Z] each, in float32.

        Example
        -------
        >>> states = LayerStates(torch.randn(3, 2, 5, 8), torch.tensor([5, 2]), torch.zeros(2))
        >>> bool((VariationalBottleneck(3, 8, latent=4).posterior(states).sigma > 0).all())
        True
        """
        hidden = (self.mix(states.layers) if mixed is None else mixed).to(self.head.weight.dtype)
        if self.level is not None:
            hidden = hidden + self.level(states.level)[:, None]
        mean, spread = self.head(self.encoder(hidden)).float().chunk(2, dim=-1)
        sigma = softplus(spread) + SMALLEST_SIGMA
        return Posterior(mean, sigma.sqrt() if self.sigma_is_variance else sigma)


class NoBottleneck(nn.Module):
    """The plain weighted sum of the layers, for systems without a bottleneck.

    Arguments
    ---------
    layer_count : int
        Number of layers n of the encoder.
    width : int
        Width d of the encoder.

    Example
    -------
    >>> states = LayerStates(torch.randn(3, 2, 5, 8), torch.tensor([5, 2]), torch.zeros(2))
    >>> latent = NoBottleneck(3, width=8)(states)
    >>> latent.z.shape, latent.posterior, latent.kl.sum()
    (torch.Size([2, 5, 8]), None, tensor(0.))
    """

    takes_mixed = True

    def __init__(self, layer_count: int, width: int) -> None:
        super().__init__()
        self.size = width
        self.mix = LayerMix(layer_count)

    def forward(self, states: LayerStates, mixed: Tensor | None = None) -> Latent:
        """Sums the layers of a batch.

        Arguments
        ---------
        states : LayerStates
            Layers [n, B, T, d], frames [B], level [B].
        mixed : Tensor, optional
            Their sum by ``mix``, [B, T, d].

        Returns
        -------
        Latent
            z [B, T, d] in float32, no posterior, and a divergence of zero.
        """
        mixed = (self.mix(states.layers) if mixed is None else mixed).float()
        valid = valid_mask(states.frames, mixed.shape[1], mixed.device)
        return Latent(torch.where(valid[..., None], mixed, 0.0), states.frames, None, torch.zeros_like(valid.float()))


def build_bottleneck(
    layer_count: int,
    width: int,
    latent: int | None = 128,
    sigma_bias: float = -4.0,
    sigma_is_variance: bool = False,
    level_feature: bool = False,
    prior: Callable[..., Divergence] | None = None,
) -> VariationalBottleneck | NoBottleneck:
    """Builds the bottleneck of a latent size; with ``None`` there is none, and the other arguments are ignored.

    Arguments
    ---------
    layer_count, width, latent, sigma_bias, sigma_is_variance, level_feature, prior
        As for :class:`VariationalBottleneck`.

    Returns
    -------
    VariationalBottleneck or NoBottleneck

    Example
    -------
    >>> [type(build_bottleneck(3, 8, latent)).__name__ for latent in (4, None)]
    ['VariationalBottleneck', 'NoBottleneck']
    """
    if latent is None:
        return NoBottleneck(layer_count, width)
    return VariationalBottleneck(layer_count, width, latent, sigma_bias, sigma_is_variance, level_feature, prior)


class LevelFeature(nn.Module):
    """A learned projection of the level: ``Linear((level + 30 dB) / 20 dB)``, so that speech lies within about ±1.

    Arguments
    ---------
    width : int
        Size d of the projection.

    Example
    -------
    >>> LevelFeature(8)(torch.tensor([-20.0, -100.0])).shape
    torch.Size([2, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(1, width)

    def forward(self, level: Tensor) -> Tensor:
        """Projects levels.

        Arguments
        ---------
        level : Tensor
            Levels in dB re full scale, [B].

        Returns
        -------
        Tensor
            Projections, [B, d], in the type of this module's parameters.
        """
        return self.projection(((level + 30) / 20)[:, None].to(self.projection.weight.dtype))


def gaussian_kl(mean: Tensor, sigma: Tensor) -> Tensor:
    """Divergence of a diagonal Gaussian from the standard one, KL(N(mean, sigma²) ‖ N(0, I)), summed over Z.

    ``0.5 * sum(mean**2 + sigma**2 - 1 - 2 * log(sigma))``

    Source: Kingma & Welling (2014, ICLR), appendix B.

    Arguments
    ---------
    mean, sigma : Tensor
        Parameters, [..., Z].

    Returns
    -------
    Tensor
        Nats, [...], float32.

    Example
    -------
    >>> gaussian_kl(torch.tensor([[0.0, 2.0]]), torch.ones(1, 2))
    tensor([2.])
    """
    mean, sigma = mean.float(), sigma.float()
    return 0.5 * (mean.square() + sigma.square() - 1 - 2 * sigma.log()).sum(-1)


def _drawn(posterior: Posterior, frames: Tensor) -> Tensor:
    """``z = mean + sigma * epsilon`` with epsilon from N(0, I): reparameterised, so that gradients flow."""
    return posterior.mean + posterior.sigma * gaussian_noise(posterior.mean, frames)
