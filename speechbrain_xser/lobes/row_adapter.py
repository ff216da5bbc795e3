"""An adapter whose soft tokens are rows of the LLM's own embedding table, read from the sound by CTC.

The LLM then receives what it was trained on: one row for each token that is said, and nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from speechbrain_xser.lobes.adapter import Adapter, SoftTokens, estimated_tokens, silent_row
from speechbrain_xser.lobes.bottleneck import build_bottleneck
from speechbrain_xser.lobes.branch import Branch, build_branch
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.lobes.token_scores import TokenScores, Vocabulary, directions


class RowAdapter(Adapter):
    """Scores the tokens of a vocabulary at every ``stack`` frames, and passes on the rows of those that begin there.

    A row is the mean of all rows, weighted by their probabilities without the blank. Frames of the blank, and those
    that go on with the token before, give no row; a clip that says nothing gives one row of zeros.

    Source: LegoSLM (arXiv 2505.11352), here with the LLM's most frequent tokens only.

    Arguments
    ---------
    latent : int
        Size Z of a frame.
    width : int
        Embedding width e of the decoder.
    vocabulary : Vocabulary
        V tokens with their rows.
    stack : int
        Frames of one score; at 50 frames a second 4 give 12.5 scores a second, and no clip says more tokens.
    hidden : int
        Size of the hidden layer.

    Example
    -------
    >>> letters = Vocabulary(torch.eye(6), lambda text: ["abcdef".index(one) for one in text], str)
    >>> adapter = RowAdapter(latent=4, width=6, vocabulary=letters, hidden=8)
    >>> tokens = adapter(torch.randn(2, 12, 4), torch.tensor([12, 2]))
    >>> tokens.scores.logits.shape, tokens.counts >= 1
    (torch.Size([2, 3, 7]), tensor([True, True]))
    """

    def __init__(self, latent: int, width: int, vocabulary: Vocabulary, stack: int = 4, hidden: int = 2048) -> None:
        super().__init__(latent, width, stack, hidden)
        self.vocabulary = vocabulary._replace(rows=None)
        self.blank = nn.Parameter(torch.zeros(width))
        self.register_buffer("rows", vocabulary.rows.detach().float(), persistent=False)
        self.register_buffer("directions", directions(self.rows), persistent=False)

    def token_counts(self, frames: Tensor) -> Tensor:
        """Approximate tokens of clips with that many frames, [B]; how many are said is known only later."""
        return estimated_tokens(frames)

    def most_tokens(self, frames: Tensor) -> Tensor:
        """Tokens of clips with that many frames, at most: one for each score, [B]."""
        return super().token_counts(frames)

    def forward(self, z: Tensor, frames: Tensor) -> SoftTokens:
        """Turns latents into rows.

        Arguments
        ---------
        z : Tensor
            Latents, [B, T, Z].
        frames : Tensor
            Valid frames, [B], int64.

        Returns
        -------
        SoftTokens
            Rows [B, K, e] with counts [B], and the scores that they were made from.
        """
        scores = self.scores(z, frames)
        found = [row[at, 1:].softmax(-1) for row, at in zip(scores.logits, scores.begins(), strict=True)]
        rows = [row @ self.rows.to(row) if len(row) else row.new_zeros(1, self.width) for row in found]
        counts = torch.tensor([len(row) for row in rows], device=frames.device)
        return SoftTokens(pad_sequence(rows, batch_first=True), counts, scores)

    def scores(self, z: Tensor, frames: Tensor) -> TokenScores:
        """Scores of the blank and of all tokens, [B, max(1, T // stack), 1 + V]."""
        said = self.output(self.hidden(self._stacked(z, frames)).relu())
        logits = torch.cat([said @ self.blank[:, None], said @ self.directions.to(said).T], -1)
        return TokenScores(logits, self.most_tokens(frames), self.vocabulary)

    def off(self, frames: Tensor, longest: int) -> SoftTokens:
        """One zero vector for each clip, [B, 1, e]."""
        return silent_row(frames, self.width, self.output.weight.dtype)


def build_rows(
    encoder: SpeechEncoder,
    width: int,
    vocabulary_rows: Callable[[int], Vocabulary],
    bottleneck: Callable[..., nn.Module] = build_bottleneck,
    size: int = 4096,
    stack: int = 4,
    hidden: int = 2048,
) -> Branch:
    """Builds a content branch of rows: a bottleneck and a :class:`RowAdapter`.

    Arguments
    ---------
    encoder : SpeechEncoder
        Its number of layers and width shape the bottleneck.
    width : int
        Embedding width of the decoder.
    vocabulary_rows : callable
        Gives the most frequent tokens of the decoder; an ``LLMDecoder`` has such a method.
    bottleneck : callable
        Called with ``layer_count`` and ``width``.
    size : int
        Tokens V. Words that are rarer fall into several of them.
    stack, hidden : int
        As for :class:`RowAdapter`.

    Returns
    -------
    Branch

    Example
    -------
    >>> from functools import partial
    >>> from types import SimpleNamespace
    >>> def vocabulary_rows(size):
    ...     return Vocabulary(torch.randn(size, 16), lambda text: [0], str)
    >>> encoder = SimpleNamespace(layer_count=3, width=8)
    >>> branch = build_rows(encoder, 16, vocabulary_rows, partial(build_bottleneck, latent=4), size=20)
    >>> branch.adapter.rows.shape
    torch.Size([20, 16])
    """
    rows = partial(RowAdapter, vocabulary=vocabulary_rows(size), stack=stack, hidden=hidden)
    return build_branch(encoder, width, bottleneck, rows)
