"""Rows in one stream that each go on in several ways: words that are tried in one place of a text.

``prefix | row 0 | its ways | row 1 | its ways | ...``: a way sees its own row and the prefix, and no other way. Unlike
rows alone, which have a kernel (``stream.py``), they have a mask of all places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.decoder.packing.attention import Visible
from speechbrain_xser.decoder.packing.stream import Layout

SHARED, TRUNK = -1, 0  # the row of the prefix, and the way of a row itself


class TwigLayout(NamedTuple):
    """Where rows and their ways lie in a stream; all numbers are on the host.

    Example
    -------
    >>> layout = TwigLayout(prefix=1, counts=(2, 1), ways=(1, 2))
    >>> layout.positions().tolist()  # row 0, its two ways, row 1, its two ways
    [0, 1, 2, 3, 3, 4, 1, 2, 2, 3]
    >>> layout.last((4, 4)).tolist()  # the end of each row, and all its ways
    [2, 3, 4, 5, 6, 7, 8, 9]
    """

    prefix: int  # positions shared by all rows; may be 0
    counts: tuple[int, ...]  # further positions of each row, at least 1 each
    ways: tuple[int, ...]  # positions of each way that a row goes on; the same for all rows

    def positions(self) -> Tensor:
        """Position of each place of the stream within its row and way, [N] int64."""
        parts = [torch.arange(self.prefix)]
        for end in self._rows.totals:
            parts += [torch.arange(self.prefix, end), *(torch.arange(end, end + way) for way in self.ways)]
        return torch.cat(parts)

    def last(self, numbers: Sequence[int]) -> Tensor:
        """Places of the last positions of each row with its ways, as many as ``numbers`` says, [sum(numbers)] int64."""
        return self._blocks.last(numbers)

    def attention(self, device: torch.device, last: Sequence[int] | None = None) -> TwigAttention:
        """The plan of all places, or of the last ones."""
        distance = self._distance()
        asking = distance if last is None else distance[self.last(last)]
        return TwigAttention(Visible(asking[None].to(device, non_blocking=True)))

    @property
    def _rows(self) -> Layout:
        return Layout(self.prefix, self.counts)

    @property
    def _blocks(self) -> Layout:
        return Layout(self.prefix, tuple(count + sum(self.ways) for count in self.counts))

    def _distance(self) -> Tensor:
        """How far each key lies before each query, [N, N]; negative for what it must not see."""
        rows, ways = [torch.full((self.prefix,), SHARED)], [torch.full((self.prefix,), TRUNK)]
        numbers = torch.arange(len(self.ways) + 1)
        for row, count in enumerate(self.counts):
            ways.append(numbers.repeat_interleave(torch.tensor([count, *self.ways])))
            rows.append(torch.full_like(ways[-1], row))
        row, way, at = torch.cat(rows), torch.cat(ways), self.positions()
        own = (row == row[:, None]) & ((way == TRUNK) | (way == way[:, None]))
        return (at[:, None] - at).masked_fill(~(own | (row == SHARED)), -1)


class TwigAttention:
    """The attention plan of such a stream.

    Example
    -------
    >>> from torch.nn.functional import scaled_dot_product_attention
    >>> stream = torch.randn(1, 2, 5, 8)  # two heads; a row of 3 that goes on in two ways, of 1 each
    >>> found = TwigLayout(0, (3,), (1, 1)).attention("cpu").attend(0, stream, stream, stream)
    >>> alone = stream[:, :, [0, 1, 2, 4]]  # the second way with its row
    >>> expected = scaled_dot_product_attention(alone, alone, alone, is_causal=True)
    >>> torch.allclose(found[0, 4], expected[0, :, 3], atol=1e-6)
    True
    """

    def __init__(self, visible: Visible) -> None:
        self.visible = visible

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """A layer's attention over the stream: queries [1, H, A, D], keys and values [1, G, N, D] to [1, A, H, D]."""
        return self.visible.attend(query, key, value, **options).transpose(1, 2)
