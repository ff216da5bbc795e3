"""Grouped convolutions in float32 on a CPU, whatever the type of a backbone.

On processors with AMX, torch 2.15.0 computes a grouped ``Conv1d`` in bfloat16 wrongly: the error of the positional
convolution of HuBERT is as large as its output. Others are right, and lose little.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn


def exact_grouped_convolutions(model: nn.Module) -> nn.Module:
    """Lets grouped convolutions of a half-precision model compute in float32 on a CPU; returns the model.

    Example
    -------
    >>> conv = exact_grouped_convolutions(nn.Conv1d(64, 64, 9, groups=16).bfloat16())
    >>> x = torch.randn(1, 64, 30).bfloat16()
    >>> exact = nn.functional.conv1d(x.float(), conv.weight.float(), conv.bias.float(), groups=16)
    >>> torch.equal(conv(x), exact.bfloat16())
    True
    """
    for conv in model.modules():
        if isinstance(conv, nn.Conv1d) and conv.groups > 1 and conv.weight.dtype != torch.float32:
            conv._conv_forward = partial(_in_float32, conv)
    return model


def _in_float32(conv: nn.Conv1d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if x.device.type != "cpu":
        return nn.Conv1d._conv_forward(conv, x, weight, bias)
    found = nn.Conv1d._conv_forward(conv, x.float(), weight.float(), None if bias is None else bias.float())
    return found.to(x.dtype)
