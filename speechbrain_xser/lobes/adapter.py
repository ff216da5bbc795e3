"""Turns latents into soft tokens: k stacked frames pass through Linear-ReLU-Linear, as in LLaMA-Omni (ICLR 2025).

For a decoder without an LLM, :class:`FrameTokens` passes the frames on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.utils.lengths import valid_mask

if TYPE_CHECKING:
    from speechbrain_xser.lobes.token_scores import TokenScores

EmbedText = Callable[[str], Tensor]  # an LLM's: a text to the embedding rows of its tokens, [K, e]


class SoftTokens(NamedTuple):
    """Embeddings that take words' places in a prompt.

    Example
    -------
    >>> tokens = Adapter(latent=4, width=6)(torch.randn(1, 12, 4), torch.tensor([2]))
    >>> tokens.counts, bool((tokens.embeddings[0, 1:] == 0).all())
    (tensor([1]), True)
    """

    embeddings: Tensor  # [B, K, e], zero at positions >= counts
    counts: Tensor  # [B] int64, at least 1
    scores: TokenScores | None = None  # what they were read from, where that is the sound of words

    def on_host(self) -> SoftTokens:
        """The same tokens with counts on the CPU; counts that are already there cost no device synchronisation."""
        return self._replace(counts=self.counts.cpu())

    def off(self) -> SoftTokens:
        """As many zero vectors: what most branches return when they are off.

        Example
        -------
        >>> SoftTokens(torch.ones(1, 1, 2), torch.tensor([1])).off().embeddings
        tensor([[[0., 0.]]])
        """
        return self._replace(embeddings=torch.zeros_like(self.embeddings))

    def rows(self, order: Tensor) -> SoftTokens:
        """Those of some clips, in an order, [n] int64.

        Example
        -------
        >>> SoftTokens(torch.ones(2, 3, 4), torch.tensor([3, 1])).rows(torch.tensor([1, 0, 1])).counts
        tensor([1, 3, 1])
        """
        scores = None if self.scores is None else self.scores.rows(order)
        return SoftTokens(self.embeddings[order], self.counts[order], scores)

    @classmethod
    def joined(cls, parts: Sequence[SoftTokens]) -> SoftTokens:
        """Several batches as one, zero at padding.

        Example
        -------
        >>> parts = [SoftTokens(torch.ones(1, count, 4), torch.tensor([count])) for count in (3, 1)]
        >>> tokens = SoftTokens.joined(parts)
        >>> tokens.embeddings.sum((1, 2)), tokens.counts
        (tensor([12.,  4.]), tensor([3, 1]))
        """
        longest = max(part.embeddings.shape[1] for part in parts)
        padded = [nn.functional.pad(one.embeddings, (0, 0, 0, longest - one.embeddings.shape[1])) for one in parts]
        return cls(torch.cat(padded), torch.cat([part.counts for part in parts]))


def estimated_tokens(frames: Tensor) -> Tensor:
    """About four tokens a second of a usual encoder's 50 frames, [B], where their number is known only later.

    Example
    -------
    >>> estimated_tokens(torch.tensor([50, 3]))
    tensor([4, 1])
    """
    return torch.div(frames, 12, rounding_mode="floor").clamp(min=1)


def silent_row(frames: Tensor, width: int, dtype: torch.dtype = torch.float32) -> SoftTokens:
    """One zero vector for each clip, [B, 1, e]: a branch of words that is off."""
    zeros = torch.zeros(len(frames), 1, width, dtype=dtype, device=frames.device)
    return SoftTokens(zeros, torch.ones_like(frames))


class Adapter(nn.Module):
    """Stacks frames and projects them to the decoder's embedding width.

    The remainder of ``frames / stack`` is dropped, but a clip of fewer than ``stack`` frames is padded with zeros and
    gives one token, so every utterance has at least one.

    Source: the speech adaptor of LLaMA-Omni (Fang et al., 2025, ICLR).

    Arguments
    ---------
    latent : int
        Size Z of a frame.
    width : int
        Embedding width e of the decoder.
    stack : int
        Frames k of one token; at 50 frames a second 5 give ten tokens a second.
    hidden : int
        Size of the hidden layer.

    Example
    -------
    >>> adapter = Adapter(latent=4, width=6, stack=5, hidden=8)
    >>> tokens = adapter(torch.randn(3, 12, 4), torch.tensor([12, 9, 2]))
    >>> tokens.embeddings.shape, tokens.counts
    (torch.Size([3, 2, 6]), tensor([2, 1, 1]))
    >>> bool((tokens.embeddings[1, 1] == 0).all())
    True
    >>> off = adapter.off(torch.tensor([12, 9, 2]), longest=12)
    >>> off.embeddings.shape == tokens.embeddings.shape, torch.equal(off.counts, tokens.counts)
    (True, True)
    """

    def __init__(self, latent: int, width: int, stack: int = 5, hidden: int = 2048) -> None:
        super().__init__()
        self.stack = stack
        self.width = width
        self.hidden = nn.Linear(stack * latent, hidden)
        self.output = nn.Linear(hidden, width)

    def token_counts(self, frames: Tensor) -> Tensor:
        """Tokens of clips of that many frames: ``max(1, frames // stack)``.

        Arguments
        ---------
        frames : Tensor
            Valid frames, [B], int64.

        Returns
        -------
        Tensor
            Counts, [B], int64.

        Example
        -------
        >>> Adapter(latent=4, width=6, stack=5).token_counts(torch.tensor([12, 9, 2]))
        tensor([2, 1, 1])
        """
        return torch.div(frames, self.stack, rounding_mode="floor").clamp(min=1)

    def forward(self, z: Tensor, frames: Tensor) -> SoftTokens:
        """Turns latents into soft tokens.

        Arguments
        ---------
        z : Tensor
            Latents, [B, T, Z]; values at padding do not matter.
        frames : Tensor
            Valid frames, [B], int64.

        Returns
        -------
        SoftTokens
            Embeddings [B, max(1, T // stack), e] and counts [B].

        Example
        -------
        >>> adapter, z, frames = Adapter(latent=4, width=6), torch.randn(1, 20, 4), torch.tensor([12])
        >>> alone, padded = adapter(z[:, :12], frames), adapter(z, frames)
        >>> torch.allclose(alone.embeddings, padded.embeddings[:, :2], atol=1e-6)  # padding changes nothing
        True
        """
        counts = self.token_counts(frames)
        embeddings = self.output(self.hidden(self._stacked(z, frames)).relu())
        valid = valid_mask(counts, embeddings.shape[1], embeddings.device)
        return SoftTokens(torch.where(valid[..., None], embeddings, 0.0), counts)

    def off(self, frames: Tensor, longest: int) -> SoftTokens:
        """Zero vectors with the shape and counts that latents [B, longest, Z] would give; nothing is computed.

        Arguments
        ---------
        frames : Tensor
            Valid frames, [B], int64.
        longest : int
            Padded frames T.

        Returns
        -------
        SoftTokens
            Zeros [B, max(1, T // stack), e] and counts [B].
        """
        shape = (len(frames), max(1, longest // self.stack), self.width)
        zeros = torch.zeros(shape, dtype=self.output.weight.dtype, device=frames.device)
        return SoftTokens(zeros, self.token_counts(frames))

    def _stacked(self, z: Tensor, frames: Tensor) -> Tensor:
        """k frames side by side, [B, K, k * Z], with zeros at padding."""
        z = torch.where(valid_mask(frames, z.shape[1], z.device)[..., None], z, 0.0)
        tokens = max(1, z.shape[1] // self.stack)
        z = nn.functional.pad(z, (0, 0, 0, max(0, self.stack - z.shape[1])))
        return z[:, : tokens * self.stack].reshape(len(z), tokens, self.stack * z.shape[2])


class FrameTokens(nn.Module):
    """The adapter of a decoder that takes frames: it stacks, projects and learns nothing.

    Arguments
    ---------
    width : int
        Size Z of a frame.

    Example
    -------
    >>> tokens = FrameTokens(4)(torch.ones(2, 3, 4), torch.tensor([3, 1]))
    >>> tokens.embeddings.sum(-1), tokens.counts
    (tensor([[4., 4., 4.],
            [4., 0., 0.]]), tensor([3, 1]))
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def token_counts(self, frames: Tensor) -> Tensor:
        """One token for each frame, [B], int64."""
        return frames

    def forward(self, z: Tensor, frames: Tensor) -> SoftTokens:
        """The frames, zero at padding.

        Arguments
        ---------
        z : Tensor
            Latents, [B, T, Z].
        frames : Tensor
            Valid frames, [B], int64.

        Returns
        -------
        SoftTokens
            Frames [B, T, Z] and counts [B].
        """
        return SoftTokens(torch.where(valid_mask(frames, z.shape[1], z.device)[..., None], z, 0.0), frames)

    def off(self, frames: Tensor, longest: int) -> SoftTokens:
        """Zero vectors of the same shape and counts.

        Arguments
        ---------
        frames : Tensor
            Valid frames, [B], int64.
        longest : int
            Padded frames T.

        Returns
        -------
        SoftTokens
            Zeros [B, T, Z] and counts [B].
        """
        return SoftTokens(torch.zeros(len(frames), longest, self.width, device=frames.device), frames)
