"""One branch: a bottleneck and an adapter, in one of three modes.

The mode is an argument, not a state. A frozen branch is computed without gradients and from the posterior mean; a
branch that is off is not computed. So no code toggles ``requires_grad``, and a model inside DDP never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.lobes.adapter import Adapter, FrameTokens, SoftTokens
from speechbrain_xser.lobes.bottleneck import Latent, build_bottleneck
from speechbrain_xser.lobes.layer_mix import LayerMix, layer_sums
from speechbrain_xser.lobes.states import LayerStates, SpeechEncoder
from speechbrain_xser.stages import Mode
from speechbrain_xser.utils.modes import evaluating


class BranchOutput(NamedTuple):
    """Soft tokens of a branch and the latents that they were made from."""

    tokens: SoftTokens
    latent: Latent | None  # None where the branch is off


class Branch(nn.Module):
    """Maps layers to soft tokens.

    Arguments
    ---------
    bottleneck : nn.Module
        Takes ``LayerStates`` and returns a ``Latent``, as :class:`VariationalBottleneck` does.
    adapter : Adapter
        Takes latents and frames, returns ``SoftTokens``.

    Example
    -------
    >>> from speechbrain_xser.lobes.bottleneck import VariationalBottleneck
    >>> branch = Branch(VariationalBottleneck(3, 8, latent=4), Adapter(4, 6))
    >>> states = LayerStates(torch.randn(3, 2, 12, 8), torch.tensor([12, 7]), torch.zeros(2))
    >>> first, second = branch(states, "frozen"), branch(states, "frozen")
    >>> torch.equal(first.tokens.embeddings, second.tokens.embeddings), first.tokens.embeddings.requires_grad
    (True, False)
    >>> off = branch(states, "off").tokens
    >>> torch.equal(off.counts, first.tokens.counts), off.embeddings.abs().sum()
    (True, tensor(0.))
    """

    def __init__(self, bottleneck: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        self.adapter = adapter

    def forward(self, states: LayerStates, mode: Mode | str = Mode.TRAIN, mixed: Tensor | None = None) -> BranchOutput:
        """Runs the branch in a mode.

        Arguments
        ---------
        states : LayerStates
            Layers [n, B, T, d], frames [B], level [B].
        mode : Mode or str
            "train", "frozen" or "off".
        mixed : Tensor, optional
            The bottleneck's sum of the layers, [B, T, d], from :func:`branch_sums`.

        Returns
        -------
        BranchOutput
            Soft tokens, and the latent unless the branch is off.

        Raises
        ------
        ValueError
            If the mode is not one of the three.
        """
        mode = Mode(mode)
        if mode is Mode.OFF:
            return BranchOutput(off_tokens(self, states), None)
        if mode is Mode.FROZEN:
            with evaluating(self), torch.no_grad():
                return self._tokens(self._latent(states, mixed))
        return self._tokens(self._latent(states, mixed))

    def _latent(self, states: LayerStates, mixed: Tensor | None) -> Latent:
        return self.bottleneck(states) if mixed is None else self.bottleneck(states, mixed)

    def _tokens(self, latent: Latent) -> BranchOutput:
        return BranchOutput(self.adapter(latent.z, latent.frames), latent)


def build_branch(
    encoder: SpeechEncoder,
    width: int | None,
    bottleneck: Callable[..., nn.Module] = build_bottleneck,
    adapter: Callable[..., nn.Module] = Adapter,
) -> Branch:
    """Builds one branch on top of an encoder.

    Arguments
    ---------
    encoder : SpeechEncoder
        Its number of layers and width shape the bottleneck.
    width : int or None
        Embedding width of the decoder; ``None`` for a decoder that takes frames, which needs no adapter.
    bottleneck : callable
        Called with ``layer_count`` and ``width``; the result has an attribute ``size``, the size of a frame.
    adapter : callable
        Called with ``latent``, the size of a frame, and ``width``.

    Returns
    -------
    Branch

    Example
    -------
    >>> from functools import partial
    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(layer_count=3, width=8)
    >>> branch = build_branch(encoder, width=16, bottleneck=partial(build_bottleneck, latent=4))
    >>> branch.bottleneck.size, branch.adapter.width
    (4, 16)
    """
    lower = bottleneck(layer_count=encoder.layer_count, width=encoder.width)
    return Branch(lower, FrameTokens(lower.size) if width is None else adapter(latent=lower.size, width=width))


def branch_sums(
    layers: Tensor, branches: Mapping[str, Branch], modes: Mapping[str, Mode | str]
) -> dict[str, Tensor]:
    """The layer sums of the branches' bottlenecks, in one product for all branches that are on.

    Arguments
    ---------
    layers : Tensor
        [n, B, T, d].
    branches : mapping of str to Branch
        A branch takes part if its bottleneck has a :class:`~speechbrain_xser.lobes.layer_mix.LayerMix` named ``mix``
        and sets ``takes_mixed = True``: its forward takes the sum as a second argument.
    modes : mapping of str to (Mode or str)
        The branches' modes; the sum of a frozen branch has no gradient.

    Returns
    -------
    dict of str to Tensor
        [B, T, d] for each branch that is on and sums layers.

    Example
    -------
    >>> from speechbrain_xser.lobes.bottleneck import VariationalBottleneck
    >>> branches = {name: Branch(VariationalBottleneck(3, 8, latent=4), Adapter(4, 6)) for name in ("a", "b")}
    >>> states = LayerStates(torch.randn(3, 2, 12, 8), torch.tensor([12, 7]), torch.zeros(2))
    >>> sums = branch_sums(states.layers, branches, {"a": "frozen", "b": "train"})
    >>> a = branches["a"]
    >>> torch.equal(a(states, "frozen", sums["a"]).tokens.embeddings, a(states, "frozen").tokens.embeddings)
    True
    """
    weights = {}
    for name, branch in branches.items():
        mix, mode = getattr(branch.bottleneck, "mix", None), Mode(modes[name])
        if isinstance(mix, LayerMix) and getattr(branch.bottleneck, "takes_mixed", False) and mode is not Mode.OFF:
            weights[name] = mix.weights if mode is Mode.TRAIN else mix.weights.detach()
    return dict(zip(weights, layer_sums(list(weights.values()), layers), strict=True)) if weights else {}


def off_tokens(part: Branch | Adapter, states: LayerStates) -> SoftTokens:
    """The soft tokens of a branch that is off: zero vectors of the same shape and counts.

    Arguments
    ---------
    part : Branch or Adapter
        The branch whose tokens are replaced.
    states : LayerStates
        Only its shape and ``frames`` are used.

    Returns
    -------
    SoftTokens
        Zeros [B, K, e] and counts [B].

    Example
    -------
    >>> states = LayerStates(torch.zeros(3, 2, 12, 8), torch.tensor([12, 7]), torch.zeros(2))
    >>> off_tokens(Adapter(4, 6), states).counts
    tensor([2, 1])
    """
    adapter = part.adapter if isinstance(part, Branch) else part
    tokens = adapter.off(states.frames, states.layers.shape[2])
    if tokens.embeddings.device == states.layers.device:
        return tokens
    return tokens._replace(embeddings=torch.zeros_like(tokens.embeddings, device=states.layers.device))
