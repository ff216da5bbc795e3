"""Block-diagonal attention without masks or padding: each segment of queries attends to its own keys.

On a GPU this is FlashAttention for rows of different lengths. A CPU has no such kernel; there, attention works on
padded rows under a mask, and the loop here exists to show that both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from inspect import signature
from itertools import accumulate

import torch
from torch import Tensor
from torch.backends import cuda
from torch.nn.functional import scaled_dot_product_attention

from speechbrain_xser.utils.attention_kernels import without_cudnn
from speechbrain_xser.utils.lengths import rounded

HALVES = (torch.bfloat16, torch.float16)
WIDEST_HEAD = 256  # of FlashAttention
CAPABILITY = (8, 0)


class Segments:
    """Consecutive queries and keys, by segment; the last query of a segment stands at its last key.

    Arguments
    ---------
    asking : sequence of int
        Queries of each segment, at most as many as its keys.
    answering : sequence of int
        Keys of each segment.
    device : torch.device
        Device of the queries.

    Example
    -------
    >>> segments, states = Segments([2, 1], [2, 3], torch.device("cpu")), torch.randn(5, 2, 8)
    >>> segments.attend(states[[0, 1, 4]], states, states).shape  # two segments; the second asks at its last place
    torch.Size([3, 2, 8])
    """

    def __init__(self, asking: Sequence[int], answering: Sequence[int], device: torch.device) -> None:
        self.asking, self.answering = list(asking), list(answering)
        self.longest = rounded(max(self.asking)), rounded(max(self.answering))
        ends = torch.tensor([list(accumulate(part, initial=0)) for part in (asking, answering)], dtype=torch.int32)
        self._ends = ends.to(device, non_blocking=True)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, scaling: float | None = None, window: int | None = None
    ) -> Tensor:
        """Causal attention inside each segment.

        Arguments
        ---------
        query : Tensor
            [A, H, D], segment after segment.
        key, value : Tensor
            [N, G, D]; G divides H.
        scaling : float, optional
            Scale of the products; 1 / sqrt(D) by default.
        window : int, optional
            Positions that a query attends to, including its own.

        Returns
        -------
        Tensor
            [A, H, D].
        """
        if query.device.type == "cpu":
            return self._one_by_one(query, key, value, scaling, window)
        from torch.nn.attention import varlen  # loads torch's compiler, and no CPU needs it

        with without_cudnn(query.device):
            return varlen.varlen_attn(
                *(query, key, value, *self._ends, *self.longest),
                scale=scaling,
                window_size=(-1 if window is None else window - 1, 0),
                enable_gqa=query.shape[1] != key.shape[1],
            )

    def _one_by_one(
        self, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None
    ) -> Tensor:
        """The same in a loop."""
        found = []
        parts = (query.split(self.asking), key.split(self.answering), value.split(self.answering))
        for asked, keys, values in zip(*parts, strict=True):
            distance = torch.arange(len(keys) - len(asked), len(keys))[:, None] - torch.arange(len(keys))
            visible = distance >= 0 if window is None else (distance >= 0) & (distance < window)
            rows = (part.transpose(0, 1)[None] for part in (asked, keys, values))
            output = scaled_dot_product_attention(*rows, attn_mask=visible, scale=scaling, enable_gqa=True)
            found.append(output[0].transpose(0, 1))
        return torch.cat(found)


def fit_segments(query: Tensor, softcap: float | None) -> bool:
    """Whether FlashAttention can take these queries: half precision on a GPU, for which the meta device stands too.

    Where somebody turned FlashAttention off, it cannot.

    Example
    -------
    >>> fit_segments(torch.zeros(1, 2, 3, 64), softcap=None)
    False
    """
    width, device = query.shape[-1], query.device
    fitting = query.dtype in HALVES and width <= WIDEST_HEAD and width % 8 == 0 and softcap is None
    fitting = fitting and cuda.flash_sdp_enabled() and _has_varlen()
    return fitting and (device.type == "meta" or (device.type == "cuda" and _is_able(device)))


@cache
def _has_varlen() -> bool:
    """Whether this PyTorch has attention over segments that shares keys among heads and knows windows."""
    try:
        from torch.nn.attention import varlen
    except ImportError:
        return False
    return {"window_size", "enable_gqa"} <= set(signature(varlen.varlen_attn).parameters)


@cache
def _is_able(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= CAPABILITY
