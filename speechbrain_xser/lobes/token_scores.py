"""Scores of the tokens of a vocabulary, frame by frame, as CTC reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.lobes.ctc import collapsed, ctc_nats
from speechbrain_xser.utils.lengths import valid_mask

SHARPNESS = 10.0  # logit of a word if what is scored is its row


def directions(rows: Tensor) -> Tensor:
    """What a vector is multiplied with to score rows: ``10 * (row - centre) / spread``.

    Rows are centred and ``spread`` is their mean squared distance from the centre, so that a row itself has a logit of
    about 10 more for its own word than for others.

    Arguments
    ---------
    rows : Tensor
        Embeddings, [V, e].

    Returns
    -------
    Tensor
        [V, e].

    Example
    -------
    >>> directions(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    tensor([[ 10.,   0.],
            [-10.,   0.]])
    """
    centred = rows - rows.mean(0)
    return SHARPNESS * centred / centred.square().sum(1).mean()


class Vocabulary(NamedTuple):
    """V tokens of an LLM."""

    rows: Tensor  # [V, e], their embeddings
    tokens: Callable[[str], list[int]]  # of a text, as places among them
    text: Callable[[Sequence[int]], str]  # of places


class TokenScores(NamedTuple):
    """What each frame says: the blank or one of V tokens.

    Example
    -------
    >>> letters = Vocabulary(torch.eye(3), lambda text: ["abc".index(one) for one in text], lambda ids: str(ids))
    >>> scores = TokenScores(9.0 * torch.eye(4)[[1, 1, 0, 3]][None], torch.tensor([4]), letters)
    >>> scores.texts(), scores.begins().tolist()
    (['[0, 2]'], [[True, False, False, True]])
    """

    logits: Tensor  # [B, K, 1 + V], the blank first
    counts: Tensor  # [B] int64, valid frames
    vocabulary: Vocabulary

    def rows(self, order: Tensor) -> TokenScores:
        """Those of some clips, in an order, [n] int64."""
        return self._replace(logits=self.logits[order], counts=self.counts[order])

    def best(self) -> Tensor:
        """The best class of each frame, [B, K] int64; the blank at padding."""
        valid = valid_mask(self.counts, self.logits.shape[1], self.logits.device)
        return torch.where(valid, self.logits.argmax(-1), 0)

    def begins(self) -> Tensor:
        """Where a token begins: frames whose best class is a token and another than that of the frame before."""
        best = self.best()
        return (best > 0) & (best != torch.nn.functional.pad(best, (1, 0))[:, :-1])

    def texts(self) -> list[str]:
        """What the best path of each clip says."""
        return [self.vocabulary.text((collapsed(path) - 1).tolist()).strip() for path in self.best().cpu()]

    def answered(self, answers: Sequence[str]) -> CtcScores:
        """The same with what should be said."""
        return CtcScores(self, [self.vocabulary.tokens(answer) for answer in answers])


class CtcScores(NamedTuple):
    """Scores, and the tokens that each clip says."""

    scores: TokenScores
    said: list[list[int]]

    @property
    def targets(self) -> Tensor:
        """Classes of all clips, one after another, [N] int64: a token is its place + 1."""
        flat = [token + 1 for row in self.said for token in row]
        return torch.tensor(flat, dtype=torch.int64, device=self.scores.logits.device)

    def texts(self) -> list[str]:
        """What the best path of each clip says."""
        return self.scores.texts()

    def guesses(self) -> dict[str, list[tuple[int, int]]]:
        """No labels."""
        return {}

    def nats(self) -> Tensor:
        """Summed CTC loss, [], float32; a clip with more tokens than frames adds nothing."""
        log_probs = self.scores.logits.float().log_softmax(-1).transpose(0, 1)
        lengths = torch.tensor([len(row) for row in self.said], device=log_probs.device)
        return ctc_nats(log_probs, self.targets, self.scores.counts.to(log_probs.device), lengths).sum()
