"""Text embeddings and soft tokens in one right-padded sequence, with its mask and positions.

Rows of different lengths are padded on the right and positions count real tokens only, so no query is without a key
and each row gives what it gives alone. All rows are read from one pool of embeddings: the prompt's text is embedded
once, however many rows there are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from speechbrain_xser.decoder.prompt import Segments
from speechbrain_xser.errors import PromptError
from speechbrain_xser.lengths import valid_mask
from speechbrain_xser.lobes.adapter import SoftTokens


class EmbeddedSequence(NamedTuple):
    """What a causal LLM reads."""

    embeddings: Tensor  # [B, L, e], right-padded
    mask: Tensor  # [B, L] int64, 1 at real tokens
    positions: Tensor  # [B, L] int64
    counts: Tensor  # [B] int64, real tokens


def row_lengths(
    segments: Segments, content: SoftTokens, descriptor: SoftTokens, continuations: list[list[int]]
) -> list[int]:
    """Length of each row in tokens, text and soft tokens together.

    Arguments
    ---------
    segments, content, descriptor, continuations
        As for :func:`embed_sequence`.

    Returns
    -------
    list of int
        B lengths.

    Example
    -------
    >>> soft = SoftTokens(torch.ones(2, 3, 4), torch.tensor([3, 1]))
    >>> row_lengths(Segments([1, 2], [3], [4]), soft, soft, [[5, 6], []])
    [12, 6]
    """
    text = sum(len(segment) for segment in segments)
    soft = (content.counts + descriptor.counts).tolist()
    return [text + count + len(answer) for count, answer in zip(soft, continuations, strict=True)]


def check_context(lengths: list[int], more: int, context: int | None) -> None:
    """Refuses a row that, with ``more`` tokens to come, is longer than the decoder's context.

    Raises
    ------
    PromptError
        With the row, its length and the context.

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


def embed_sequence(
    embedding: nn.Module,
    segments: Segments,
    content: SoftTokens,
    descriptor: SoftTokens,
    continuations: list[list[int]],
) -> EmbeddedSequence:
    """Puts opening text, content, text, descriptor, closing text and the answer so far into one sequence a row.

    Arguments
    ---------
    embedding : nn.Module
        The LLM's token embedding, ids to vectors.
    segments : Segments
        The prompt's token ids around the slots, the same in every row.
    content, descriptor : SoftTokens
        What fills the slots, [B, K, e] with counts [B].
    continuations : list of list of int
        Token ids after the prompt, for each row; may be empty.

    Returns
    -------
    EmbeddedSequence
        Embeddings in the LLM's dtype, mask, positions and counts.

    Example
    -------
    >>> soft = SoftTokens(torch.ones(2, 3, 4), torch.tensor([3, 1]))
    >>> sequence = embed_sequence(nn.Embedding(9, 4), Segments([1, 2], [3], [4]), soft, soft, [[5, 6], []])
    >>> sequence.counts.tolist(), sequence.mask[1].tolist()
    ([12, 6], [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    """
    device = content.embeddings.device
    ids = [token for tokens in (*segments, *continuations) for token in tokens]
    text = embedding(torch.tensor(ids, dtype=torch.long, device=device))
    soft = [tokens.embeddings.flatten(0, 1).to(text.dtype) for tokens in (content, descriptor)]
    rows = _rows(segments, content, descriptor, continuations)
    counts = torch.tensor([len(row) for row in rows])
    index = pad_sequence(rows, batch_first=True).to(device)
    counts = counts.to(device)
    mask = valid_mask(counts, index.shape[1]).long()
    positions = torch.arange(index.shape[1], device=device).expand_as(index) * mask
    # float16 autocast refuses to concatenate bfloat16
    with torch.autocast(device.type, enabled=False):
        pool = torch.cat([text, *soft])
    return EmbeddedSequence(pool[index], mask, positions, counts)


def _rows(
    segments: Segments, content: SoftTokens, descriptor: SoftTokens, continuations: list[list[int]]
) -> list[Tensor]:
    """For each row, where its vectors lie in the pool (text, all content, all descriptors), on the CPU."""
    opening, between, closing = _spans(0, [len(segment) for segment in segments])
    answers = _spans(sum(len(segment) for segment in segments), [len(answer) for answer in continuations])
    start = sum(len(tokens) for tokens in (*segments, *continuations))
    contents = _slots(start, content)
    descriptors = _slots(start + content.embeddings.shape[:2].numel(), descriptor)
    rows = zip(contents, descriptors, answers, strict=True)
    return [torch.cat([opening, said, between, how, closing, answer]) for said, how, answer in rows]


def _spans(start: int, lengths: list[int]) -> list[Tensor]:
    """Consecutive ranges of the given lengths."""
    return list(torch.arange(start, start + sum(lengths)).split(lengths))


def _slots(start: int, tokens: SoftTokens) -> list[Tensor]:
    """The valid soft tokens of each row, as places in a flattened [B * K]."""
    width = tokens.embeddings.shape[1]
    return [start + row * width + torch.arange(count) for row, count in enumerate(tokens.counts.tolist())]
