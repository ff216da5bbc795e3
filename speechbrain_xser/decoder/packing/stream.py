"""Rows of different lengths in one stream without padding, after a prefix that all of them share.

``prefix | row 0 | row 1 | ...``: every linear layer computes each real position once, and the text before the first
slot once for all rows. Only attention works on rows: each attends to the prefix and to its own earlier positions, the
prefix to itself. On a GPU, rows are segments of one kernel (``segments.py``). Elsewhere, and for scores that are
capped, they are padded to one of a few lengths, which costs little (attention is 1 % of a step) and runs on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.decoder.packing.attention import Visible
from speechbrain_xser.decoder.packing.segments import Segments, fit_segments
from speechbrain_xser.utils.lengths import rounded

LEAST, SOME = 16, 64  # what lengths are rounded up to multiples of


class Layout(NamedTuple):
    """Where rows lie in a stream; all numbers are on the host.

    Example
    -------
    >>> layout = Layout(prefix=2, counts=(3, 1))
    >>> layout.length, layout.starts, layout.positions().tolist()
    (6, [2, 5], [0, 1, 2, 3, 4, 2])
    >>> layout.last((2, 1)).tolist()  # the last two of row 0 and the last of row 1
    [3, 4, 5]
    """

    prefix: int  # positions shared by all rows; may be 0
    counts: tuple[int, ...]  # further positions of each row, at least 1 each

    @property
    def length(self) -> int:
        """Number of positions in the stream."""
        return self.prefix + sum(self.counts)

    @property
    def starts(self) -> list[int]:
        """Where each row's own positions start in the stream."""
        return list(accumulate(self.counts[:-1], initial=self.prefix))

    @property
    def totals(self) -> list[int]:
        """Length of each row including the prefix, as the LLM counts positions."""
        return [self.prefix + count for count in self.counts]

    def positions(self) -> Tensor:
        """Position of each place of the stream within its row, [length] int64."""
        rows = [torch.arange(self.prefix, total) for total in self.totals]
        return torch.cat([torch.arange(self.prefix), *rows])

    def last(self, numbers: Sequence[int]) -> Tensor:
        """Places in the stream of each row's last positions, as many as ``numbers`` says, [sum(numbers)] int64."""
        ends = [start + count for start, count in zip(self.starts, self.counts, strict=True)]
        return torch.cat([torch.arange(end - number, end) for end, number in zip(ends, numbers, strict=True)])

    def attention(self, device: torch.device, last: Sequence[int] | None = None) -> PackedAttention:
        """The plan of all places, or of the last ones of each row."""
        return PackedAttention(self, device, last)


class PackedAttention:
    """The attention plan of a stream: exactly block-diagonal and causal, with a shared prefix.

    Arguments
    ---------
    layout : Layout
        Where the rows lie.
    device : torch.device
        Device of the stream.
    last : sequence of int, optional
        How many last positions of each row are queries; by default all positions, including the prefix.

    Example
    -------
    >>> from torch.nn.functional import scaled_dot_product_attention
    >>> stream = torch.randn(1, 2, 6, 8)  # two heads; a prefix of 2 and rows of 3 and 1
    >>> packed = PackedAttention(Layout(2, (3, 1)), "cpu").attend(0, stream, stream, stream)
    >>> alone = stream[:, :, [0, 1, 5]]  # the second row with its prefix
    >>> expected = scaled_dot_product_attention(alone, alone, alone, is_causal=True)
    >>> torch.allclose(packed[0, 5], expected[0, :, 2], atol=1e-6)
    True
    """

    def __init__(self, layout: Layout, device: torch.device, last: Sequence[int] | None = None) -> None:
        self.layout, self.device, self.last = layout, device, last

    @cached_property
    def _padded(self) -> _PaddedRows:
        return _PaddedRows(_Rows(self.layout, self.last), self.device)

    @cached_property
    def _segments(self) -> _PackedSegments:
        return _PackedSegments(self.layout, self.last, self.device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """A layer's attention over the stream.

        Arguments
        ---------
        layer : int
            Ignored.
        query : Tensor
            Queries, [1, H, A, D].
        key, value : Tensor
            Keys and values of the whole stream, [1, G, N, D].
        **options
            As for :meth:`Visible.attend <speechbrain_xser.decoder.packing.attention.Visible.attend>`.

        Returns
        -------
        Tensor
            [1, A, H, D].
        """
        form = self._segments if fit_segments(query, options.get("softcap")) else self._padded
        return form.attend(query, key, value, **options)


class _PaddedRows:
    """Padded rows under a mask."""

    def __init__(self, rows: _Rows, device: torch.device) -> None:
        self.asking, self.answering = (part.to(device, non_blocking=True) for part in (rows.asking, rows.answering))
        self.keys = rows.keys.to(device, non_blocking=True)
        self.visible = Visible(rows.distance.to(device, non_blocking=True))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        """Attention over rows that are padded to one length, [1, A, H, D]."""
        rows = picked(query, self.asking), picked(key, self.keys), picked(value, self.keys)
        output = self.visible.attend(*rows, **options)
        return output.transpose(1, 2).flatten(0, 1).index_select(0, self.answering)[None]


class _PackedSegments:
    """Rows as segments of the stream; the keys of each are the prefix and its own."""

    def __init__(self, layout: Layout, last: Sequence[int] | None, device: torch.device) -> None:
        alone = [layout.prefix] if last is None and layout.prefix else []
        self.segments = Segments([*alone, *(layout.counts if last is None else last)], [*alone, *layout.totals], device)
        prefix, own = torch.arange(layout.prefix), zip(layout.starts, layout.counts, strict=True)
        rows = [part for start, count in own for part in (prefix, torch.arange(start, start + count))]
        self.keys = torch.cat([prefix, *rows] if alone else rows).to(device, non_blocking=True)

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: None = None,
    ) -> Tensor:
        """Attention over rows without padding, [1, A, H, D]."""
        keys, values = _Gathered.apply(*(part.squeeze(0).transpose(0, 1) for part in (key, value)), self.keys)
        return self.segments.attend(query.squeeze(0).transpose(0, 1), keys, values, scaling, sliding_window)[None]


class _Gathered(torch.autograd.Function):
    """Keys and values, [N, G, D] each, at some places; both gradients are summed in one buffer."""

    @staticmethod
    def forward(ctx, keys, values, places):
        ctx.save_for_backward(places)
        ctx.shape = keys.shape
        return keys.index_select(0, places), values.index_select(0, places)

    @staticmethod
    def backward(ctx, of_keys, of_values):
        (places,), sums = ctx.saved_tensors, of_keys.new_zeros(2, *ctx.shape)
        for part, gradient in zip(sums, (of_keys, of_values), strict=True):
            part.index_add_(0, places, gradient)
        return *sums.unbind(), None


def picked(stream: Tensor, places: Tensor) -> Tensor:
    """Rows, [R, H, L, D], of a stream, [1, H, N, D], at the places [R, L] int64.

    Example
    -------
    >>> stream = torch.arange(4.0).view(1, 1, 4, 1)
    >>> picked(stream, torch.tensor([[0, 1], [3, 3]])).flatten(1)
    tensor([[0., 1.],
            [3., 3.]])
    """
    states = stream.squeeze(0).transpose(0, 1)  # [N, H, D]
    return states.index_select(0, places.flatten()).view(*places.shape, *states.shape[1:]).transpose(1, 2)


def padded_keys(layout: Layout) -> Tensor:
    """Places in the stream of each row's positions, prefix first, [B, M]; padding repeats the row's last."""
    return _Rows(layout, [1] * len(layout.counts)).keys[:, : max(layout.totals)]


class _Rows:
    """The padded rows that attention works on, as places in the stream; the prefix is the first row."""

    def __init__(self, layout: Layout, last: Sequence[int] | None) -> None:
        whole = last is None and layout.prefix > 0
        numbers = [*([layout.prefix] if whole else []), *(layout.counts if last is None else last)]
        starts = [*([0] if whole else []), *layout.starts]
        counts = [*([layout.prefix] if whole else []), *layout.counts]
        before = torch.tensor([*([0] if whole else []), *[layout.prefix] * len(layout.counts)])[:, None]
        starts, counts, numbers = (torch.tensor(part)[:, None] for part in (starts, counts, numbers))
        own = rounded(int(counts.max()), 2 * LEAST)
        asked = torch.arange(own if last is None else _rounded_queries(int(numbers.max())))[None]
        # the queries of all rows follow one another; padding repeats a row's last place
        self.asking = numbers.cumsum(0) - numbers + asked.minimum(numbers - 1)
        at = before + counts - numbers + asked.minimum(numbers - 1)  # position of each query in its row
        columns = torch.arange(own + -(-layout.prefix // LEAST) * LEAST)[None]
        keys = starts + columns.sub(before).clamp(min=0).minimum(counts - 1)
        self.keys = torch.where(columns < before, columns, keys)
        self.distance = at[:, :, None] - columns[:, None]
        spans = [row * asked.shape[1] + torch.arange(number) for row, number in enumerate(numbers[:, 0].tolist())]
        self.answering = torch.cat(spans)


def _rounded_queries(number: int) -> int:
    """Few lengths for the last layer's queries, which go with the keys' lengths in more than one way."""
    return LEAST if number <= LEAST else -(-number // SOME) * SOME
