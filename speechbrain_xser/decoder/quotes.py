"""No answer ends inside a quotation: the rule of greedy decoding for answers that quote a transcript.

A paragraph quotes the transcript and the emphasised words; one that stops in between can be read by nobody. Counting
the ASCII double quotes of the tokens chosen so far tells whether one is open, and then no token that ends an answer is
offered. The limit of tokens still holds, so captions to learn from should close what they open.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase


def tokens_with_odd_quotes(tokenizer: PreTrainedTokenizerBase, rows: int) -> Tensor:
    """Which tokens open or close a quotation.

    Arguments
    ---------
    tokenizer : PreTrainedTokenizerBase
        Of any kind that spells ASCII as itself, as byte-level BPE and SentencePiece do.
    rows : int
        Logits of the LLM, at least as many as the tokenizer has tokens.

    Returns
    -------
    Tensor
        True for a token with an odd number of double quotes, [rows], bool.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.decoder.llm import load_tokenizer
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> tokenizer = load_tokenizer(tiny_llm_folder(tempfile.mkdtemp()))
    >>> odd = tokens_with_odd_quotes(tokenizer, len(tokenizer) + 2)
    >>> int(odd[tokenizer('"no"', add_special_tokens=False).input_ids].sum()), odd[-2:]
    (2, tensor([False, False]))
    """
    odd = torch.zeros(rows, dtype=torch.bool)
    odd[[number for token, number in tokenizer.get_vocab().items() if token.count('"') % 2]] = True
    return odd


class OpenQuotes:
    """Follows which answers of a batch are inside a quotation.

    Arguments
    ---------
    odd : Tensor
        From :func:`tokens_with_odd_quotes`, [V], on the logits' device.
    ends : sequence of int
        Ids that end an answer.
    begun : sequence of sequence of int
        Token ids of each answer so far.

    Example
    -------
    >>> quotes = OpenQuotes(torch.tensor([True, False, False]), ends=[2], begun=[[0, 1], []])
    >>> quotes.without_end(torch.zeros(2, 3))
    tensor([[0., 0., -inf],
            [0., 0., 0.]])
    >>> quotes.add(torch.tensor([0, 1]))
    >>> bool(quotes.without_end(torch.zeros(2, 3)).isinf().any())
    False
    """

    def __init__(self, odd: Tensor, ends: Sequence[int], begun: Sequence[Sequence[int]]) -> None:
        self.odd = odd
        self.is_end = torch.zeros_like(odd)
        self.is_end[list(ends)] = True
        counts = [sum(odd[list(ids)].tolist()) for ids in begun]
        self.open = torch.tensor(counts, device=odd.device) % 2 == 1

    def without_end(self, logits: Tensor) -> Tensor:
        """Logits [B, V] in which a row inside a quotation cannot choose a token that ends it."""
        return logits.masked_fill(self.open[:, None] & self.is_end, float("-inf"))

    def add(self, chosen: Tensor) -> None:
        """Counts the next token of each row, [B] int64."""
        self.open = self.open ^ self.odd[chosen]
