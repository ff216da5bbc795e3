"""Randomness from the position in the run, not from a state that has to be saved.

torch is seeded before every micro-batch from (seed, stage, step, micro-batch, rank). This costs one hash and one call
for each micro-batch. In return, a resumed run draws the same dropout masks and bottleneck noise as the uninterrupted
one, whatever the loader's workers did, and every rank draws its own.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from a tuple of names and numbers, the same on every machine.

    Example
    -------
    >>> derive_seed(1, "asr", 7) == derive_seed(1, "asr", 7)
    True
    >>> derive_seed(1, "asr", 7) == derive_seed(1, "asr", 8)
    False
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_step(seed: int, stage: str, step: int, micro_batch: int = 0, rank: int = 0) -> None:
    """Seeds torch (CPU and accelerators) for one micro-batch.

    Example
    -------
    >>> seed_step(0, "asr", step=3); first = torch.rand(2)
    >>> unrelated = torch.rand(100)
    >>> seed_step(0, "asr", step=3); torch.equal(torch.rand(2), first)
    True
    """
    torch.manual_seed(derive_seed(seed, stage, step, micro_batch, rank))
