"""Precisions that a device accepts but has no instructions for."""

from __future__ import annotations

import warnings

import torch

EMULATED = ("AVX2", "NO AVX")  # PyTorch's names of x86 capabilities without a fast kernel for bfloat16


def warn_if_emulated(precision: str, device: str) -> None:
    """Warns once if bfloat16 costs time instead of saving it.

    On a CPU with AVX2 alone, products of a thousand by a thousand took about 90 times as long in bfloat16 as in float32
    (PyTorch 2.11, one core of an AMD EPYC).

    Arguments
    ---------
    precision : str
        SpeechBrain's run option: "fp32", "bf16" or "fp16".
    device : str
        As PyTorch names it.

    Example
    -------
    >>> warn_if_emulated("fp32", "cpu")
    """
    if precision == "bf16" and torch.device(device).type == "cpu" and _capability() in EMULATED:
        warnings.warn(
            "This CPU has no instructions for bfloat16, and training with it can take many times as long: "
            "--precision=fp32 is faster here.",
            stacklevel=2,
        )


def _capability() -> str:
    return torch.backends.cpu.get_cpu_capability()
