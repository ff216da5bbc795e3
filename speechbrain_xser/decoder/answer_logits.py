"""The decoder's output for a batch of answers: logits on demand, and a loss that never holds all of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.decoder.packing.cross_entropy import chunked_cross_entropy, chunked_nats


class AnswerLogits(NamedTuple):
    """The states that predict each answer token, all rows concatenated, including the end of each answer.

    Logits are computed on demand; the loss is summed without holding all of them.
    """

    states: Tensor  # [N, e], the input of the output layer
    targets: Tensor  # [N] int64
    rows: Tensor  # [N] int64, the utterance of each token
    head: nn.Module = nn.Identity()  # the output layer, from [N, e] to [N, V]
    kind: torch.dtype | None = None  # autocast's dtype in the forward, None without autocast

    @property
    def logits(self) -> Tensor:
        """Logits where an answer token is predicted, [N, V], in the LLM's dtype."""
        with self._autocast():
            return self.head(self.states)

    def nats(self) -> Tensor:
        """Cross-entropy of all answers, [], float32, summed over tokens.

        Example
        -------
        >>> float(AnswerLogits(torch.zeros(3, 4), torch.tensor([0, 1, 2]), torch.zeros(3)).nats() / 3)  # log(4)
        1.3862943649291992
        """
        with self._autocast():
            return chunked_cross_entropy(self.states, self.head, self.targets)

    def token_nats(self) -> Tensor:
        """The same of each token, [N].

        Example
        -------
        >>> AnswerLogits(torch.zeros(2, 4), torch.tensor([0, 1]), torch.zeros(2)).token_nats()  # log(4) each
        tensor([1.3863, 1.3863])
        """
        with self._autocast():
            return chunked_nats(self.states, self.head, self.targets)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.states.device.type, self.kind, enabled=self.kind is not None)
