"""What this machine can do at most, measured in the same run: products a second, and bytes a second.

Processors without bfloat16 in hardware emulate it, several times slower than float32. A step is measured in the type
in which this machine multiplies faster.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch

from benchmarks.clock import measure
from benchmarks.sizes import Size


class Ceilings(NamedTuple):
    """Measured maxima."""

    flops: float  # multiply-adds count two, a second
    bandwidth: float  # bytes read and written a second
    kind: str  # the faster type, bfloat16 or float32

    def precision(self, device: str) -> torch.autocast:
        """The precision of a training step."""
        return torch.autocast(device, torch.bfloat16, enabled=self.kind == "bfloat16")


def ceilings(size: Size, device: str) -> Ceilings:
    """The best of a large square product and a large copy."""
    side, words = size.ceiling
    source = torch.empty(words, device=device, dtype=torch.float32).fill_(1)
    target, square = torch.empty_like(source), torch.randn(side, side, device=device)
    squares = {"bfloat16": square.bfloat16(), "float32": square}
    products = {kind: partial(torch.matmul, one, one) for kind, one in squares.items()}
    found = measure({**products, "copy": lambda: target.copy_(source)}, 7, device)
    kind = min(products, key=lambda name: found[name].seconds)
    return Ceilings(2 * side**3 / found[kind].seconds, 2 * 4 * words / found["copy"].seconds, kind)
