"""Precisions that a run accepts and should not: what a device emulates, and what the LLM's weights are not in."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType

import torch

from speechbrain_xser.errors import SettingsError

HALVES: Mapping[str, str] = MappingProxyType({"fp16": "float16", "bf16": "bfloat16"})  # of autocast, and of weights
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


def refuse_other_half(option: str, precision: str, llm_dtype: str | None) -> None:
    """Refuses to compute in one half precision with an LLM in the other.

    Every product would copy its weights and keep the copy for the backward pass, which is a second LLM in memory, and
    where the two halves meet, PyTorch computes in float32.

    Arguments
    ---------
    option : str
        "precision" or "eval_precision", for the message.
    precision : str
        "fp32", "bf16" or "fp16".
    llm_dtype : str, optional
        Of the LLM's weights; ``None`` if there is no LLM.

    Raises
    ------
    SettingsError
        Names both ways out.

    Example
    -------
    >>> refuse_other_half("precision", "bf16", "bfloat16")
    >>> refuse_other_half("precision", "fp16", "bfloat16")
    Traceback (most recent call last):
    speechbrain_xser.errors.SettingsError: --precision=fp16 with an LLM in bfloat16 would keep a second copy of its \
weights: use --precision=bf16, or --llm_dtype=float16.
    """
    half = HALVES.get(precision)
    if half is not None and llm_dtype in HALVES.values() and llm_dtype != half:
        fitting = next(name for name, dtype in HALVES.items() if dtype == llm_dtype)
        raise SettingsError(
            f"--{option}={precision} with an LLM in {llm_dtype} would keep a second copy of its weights: "
            f"use --{option}={fitting}, or --llm_dtype={half}."
        )


def _capability() -> str:
    return torch.backends.cpu.get_cpu_capability()
