"""The model around which several ranks exchange their gradients, in float32 or rounded to bfloat16 on the way.

Rounded ones are half the bytes, for machines whose network takes longer than their cards. Each rank divides its
gradient by the number of ranks and rounds it; sums are rounded, too. The optimiser and its moments stay in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from speechbrain_xser.errors import SettingsError

if TYPE_CHECKING:
    from speechbrain_xser.training.sharding import ShardedLLM

EXACT, ROUNDED = DTYPES = ("float32", "bfloat16")


def checked_gradient_dtype(dtype: str) -> str:
    """The type that gradients are exchanged in, or a ``SettingsError``.

    Example
    -------
    >>> checked_gradient_dtype("bf16")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: gradient_dtype is 'bf16'; expected float32 or bfloat16.
    """
    if dtype not in DTYPES:
        raise SettingsError(f"gradient_dtype is {dtype!r}; expected {' or '.join(DTYPES)}.")
    return dtype


def data_parallel(
    model: nn.Module, sharding: ShardedLLM | None = None, gradient_dtype: str = EXACT
) -> DistributedDataParallel:
    """Wraps a model with everything that any stage trains; what a stage does not train is an unused parameter.

    Arguments
    ---------
    model : nn.Module
        On its device.
    sharding : ShardedLLM, optional
        If weights of its ``decoder`` are divided among the ranks; they are left out.
    gradient_dtype : str
        "float32", or "bfloat16".

    Returns
    -------
    DistributedDataParallel
        Without ``device_ids``: they would move the sample counts too, which belong on the CPU.
    """
    group = None
    if sharding is not None:
        names, group = [f"decoder.{name}" for name in sharding.names], sharding.group
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, names)
    options = {"find_unused_parameters": True, "broadcast_buffers": False, "process_group": group}
    wrapped = DistributedDataParallel(model, **options)
    if gradient_dtype == ROUNDED:
        wrapped.register_comm_hook(group, bf16_compress_hook)
    return wrapped
