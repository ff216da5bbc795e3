"""A clip in a few numbers: means over its frames, by which it can be compared with the clips of a training set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.lobes.bottleneck import Latent
from speechbrain_xser.lobes.branch import BranchOutput
from speechbrain_xser.lobes.pooling import masked_mean
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.stages import VOICE

NATS, WORDS = "nats", "words"  # of a branch: its divergence a frame, or how probable its words are


class ClipMeans(NamedTuple):
    """Means over the frames of each clip, on the CPU.

    Example
    -------
    >>> parts = [ClipMeans(torch.zeros(2, 4), torch.zeros(2, 3, 8), {"content nats": torch.zeros(2)})] * 2
    >>> ClipMeans.joined(parts).voice.shape
    torch.Size([4, 4])
    """

    voice: Tensor  # [B, Z] float32, the descriptor branch's latent
    states: Tensor  # [B, n, d] float32, the encoder's states as the branches hear them
    branches: dict[str, Tensor]  # [B] float32 each, under "BRANCH nats" or "BRANCH words"

    @classmethod
    def joined(cls, parts: Sequence[ClipMeans]) -> ClipMeans:
        """Several batches as one."""
        branches = {name: torch.cat([part.branches[name] for part in parts]) for name in parts[0].branches}
        return cls(torch.cat([part.voice for part in parts]), torch.cat([part.states for part in parts]), branches)


def clip_means(states: LayerStates, outputs: Mapping[str, BranchOutput]) -> ClipMeans:
    """The means of a batch; padding changes none of them.

    Arguments
    ---------
    states : LayerStates
        Layers [n, B, T, d].
    outputs : mapping of str to BranchOutput
        What the branches made of them; the descriptor branch is on.

    Returns
    -------
    ClipMeans

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> model = tiny_model(tempfile.mkdtemp()).eval()
    >>> states = model.states(0.1 * torch.randn(2, 16000), torch.tensor([16000, 9000]))
    >>> found = clip_means(states, model.branch_outputs(states))
    >>> found.voice.shape, found.states.shape, list(found.branches)
    (torch.Size([2, 8]), torch.Size([2, 3, 32]), ['content nats', 'descriptor nats'])
    """
    voice = outputs[VOICE].latent
    layers = torch.stack([masked_mean(layer, states.frames) for layer in states.layers], dim=1)
    latents = {name: output.latent for name, output in outputs.items() if output.latent is not None}
    amounts = dict(map(_amount, latents, latents.values()))
    return ClipMeans(masked_mean(voice.z, voice.frames).cpu(), layers.cpu(), amounts)


def measured_branches(recognizes: Mapping[str, bool]) -> Iterator[str]:
    """Names of what :func:`clip_means` gives of branches that are on; those that recognise words have another.

    Example
    -------
    >>> list(measured_branches({"content": True, "descriptor": False}))
    ['content words', 'descriptor nats']
    """
    return (f"{name} {WORDS if recognized else NATS}" for name, recognized in recognizes.items())


def _amount(name: str, latent: Latent) -> tuple[str, Tensor]:
    """What a branch let through: nats a frame; or, of words, their log-probability."""
    if latent.log_probability is not None:
        return f"{name} {WORDS}", latent.log_probability.float().cpu()
    return f"{name} {NATS}", masked_mean(latent.kl[..., None], latent.frames)[:, 0].cpu()
