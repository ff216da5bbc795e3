"""Embeddings of clips: the latents of the branches, as other systems use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.lobes.branch import BranchOutput
from speechbrain_xser.lobes.pooling import masked_mean


class Embeddings(NamedTuple):
    """What the branches of a model let through of B clips, by the branches' names.

    For SpeechBrain's own pooling: ``relative_from_counts(counts[name])`` of ``speechbrain_xser.utils.lengths``.

    Example
    -------
    >>> import torch
    >>> frames, counts = torch.ones(2, 5, 4), torch.tensor([5, 2])
    >>> found = Embeddings({"content": masked_mean(frames, counts)}, {"content": frames}, {"content": counts})
    >>> found.utterances["content"].shape
    torch.Size([2, 4])
    """

    utterances: dict[str, Tensor]  # [B, Z] float32, the mean over a clip's frames
    frames: dict[str, Tensor]  # [B, T, Z], zero at padding; of a branch that recognises words, the tokens' rows
    counts: dict[str, Tensor]  # [B] int64, valid frames


def embeddings_of(outputs: Mapping[str, BranchOutput]) -> Embeddings:
    """The embeddings of a batch from what its branches gave; branches that are off have none."""
    latents = {name: output.latent for name, output in outputs.items() if output.latent is not None}
    return Embeddings(
        {name: masked_mean(latent.z, latent.frames) for name, latent in latents.items()},
        {name: latent.z for name, latent in latents.items()},
        {name: latent.frames for name, latent in latents.items()},
    )
