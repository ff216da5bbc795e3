"""What this machine can do at most, measured in the same run: products a second, and bytes a second."""

from __future__ import annotations

from typing import NamedTuple

import torch

from benchmarks.clock import measure
from benchmarks.sizes import Size


class Ceilings(NamedTuple):
    """Measured maxima."""

    flops: float  # multiply-adds count two, in bfloat16, a second
    bandwidth: float  # bytes read and written a second


def ceilings(size: Size, device: str) -> Ceilings:
    """The best of a large square product and a large copy."""
    side, words = size.ceiling
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.empty(words, device=device, dtype=torch.float32).fill_(1)
    target = torch.empty_like(source)
    found = measure({"product": lambda: a @ b, "copy": lambda: target.copy_(source)}, 7, device)
    return Ceilings(2 * side**3 / found["product"].seconds, 2 * 4 * words / found["copy"].seconds)
