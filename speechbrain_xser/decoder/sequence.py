"""Text embeddings and soft tokens as one stream of rows, the input of a causal LLM.

The opening of the prompt is the same in every row and occurs once. Everything else comes from one pool of embeddings,
so the prompt's text is embedded once, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.decoder.packing.stream import Layout
from speechbrain_xser.errors import PromptError
from speechbrain_xser.lobes.adapter import SoftTokens


class Stream(NamedTuple):
    """The input of a causal LLM, without padding."""

    embeddings: Tensor  # [N, e], the shared opening and then row after row
    layout: Layout


def check_context(lengths: Sequence[int], more: int, context: int | None) -> None:
    """Refuses a row that, with ``more`` tokens to come, exceeds the decoder's context.

    Example
    -------
    >>> check_context([90, 110], 20, 120)
    Traceback (most recent call last):
    speechbrain_xser.errors.PromptError: Row 1 has 110 tokens of prompt, audio and answer and 20 to come, ...
    """
    if context is None or max(lengths) + more <= context:
        return
    row = max(range(len(lengths)), key=lengths.__getitem__)
    raise PromptError(
        f"Row {row} has {lengths[row]} tokens of prompt, audio and answer and {more} to come, "
        f"but the decoder's context is {context}: shorten the clip (max_seconds), raise the adapter's stack, "
        "shorten the text, or lower max_new_tokens."
    )


class PromptRows:
    """The prompts of a batch and the starts of their answers; any of them can be put into a stream.

    Arguments
    ---------
    embedding : nn.Module
        The LLM's token embedding, ids to vectors.
    segments : list of list of int
        The prompt's token ids around the slots, the same in every row; one list more than the slots.
    soft : sequence of SoftTokens
        The tokens for each slot, [B, K, e] with counts [B] on the CPU.
    continuations : list of list of int
        Token ids after the prompt in each row; may be empty.

    Example
    -------
    >>> soft = SoftTokens(torch.ones(2, 3, 4), torch.tensor([3, 1]))
    >>> rows = PromptRows(nn.Embedding(9, 4), [[1, 2], [3], [4]], [soft, soft], [[5, 6], []])
    >>> rows.totals
    [12, 6]
    >>> stream = rows.prompts([1, 0])
    >>> stream.layout, stream.embeddings.shape
    (Layout(prefix=2, counts=(4, 10)), torch.Size([16, 4]))
    """

    def __init__(
        self,
        embedding: nn.Module,
        segments: list[list[int]],
        soft: Sequence[SoftTokens],
        continuations: list[list[int]],
    ) -> None:
        self.segments = segments
        counts = zip(continuations, *(tokens.counts.tolist() for tokens in soft), strict=True)
        text = sum(map(len, segments))
        self.totals = [text + len(answer) + sum(numbers) for answer, *numbers in counts]
        device = soft[0].embeddings.device
        ids = [token for tokens in (*segments, *continuations) for token in tokens]
        words = embedding(torch.tensor(ids, dtype=torch.long).to(device, non_blocking=True))
        flat = [tokens.embeddings.flatten(0, 1).to(words.dtype) for tokens in soft]
        # float16 autocast cannot concatenate bfloat16
        with torch.autocast(device.type, enabled=False):
            self._pool = torch.cat([words, *flat])
        self._places = _places(segments, soft, continuations)

    def prompts(self, rows: Sequence[int]) -> Stream:
        """The stream of some rows, in the given order."""
        opening, places = len(self.segments[0]), [self._places[row] for row in rows]
        index = torch.cat([torch.arange(opening), *places]).to(self._pool.device, non_blocking=True)
        return Stream(self._pool.index_select(0, index), Layout(opening, tuple(map(len, places))))


def _places(segments: list[list[int]], soft: Sequence[SoftTokens], continuations: list[list[int]]) -> list[Tensor]:
    """The places in the pool (text, then slot after slot) of each row's vectors after the opening, on the CPU."""
    _, *texts = _spans(0, list(map(len, segments)))
    answers = _spans(sum(map(len, segments)), [len(answer) for answer in continuations])
    start, slots = sum(len(tokens) for tokens in (*segments, *continuations)), []
    for tokens in soft:
        slots.append(_slots(start, tokens))
        start += tokens.embeddings.shape[:2].numel()
    rows = zip(answers, *slots, strict=True)
    return [
        torch.cat([part for pair in zip(filled, texts, strict=True) for part in pair] + [answer])
        for answer, *filled in rows
    ]


def _spans(start: int, lengths: list[int]) -> list[Tensor]:
    """Consecutive ranges of the given lengths."""
    return list(torch.arange(start, start + sum(lengths)).split(lengths))


def _slots(start: int, tokens: SoftTokens) -> list[Tensor]:
    """Places of each row's valid soft tokens in a flattened [B * K]."""
    width = tokens.embeddings.shape[1]
    return [start + row * width + torch.arange(count) for row, count in enumerate(tokens.counts.tolist())]
