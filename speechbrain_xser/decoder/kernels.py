"""Liger's fused kernels in an LLM's layers on a GPU: fewer passes over memory, the same numbers."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from transformers import PreTrainedModel

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.versions import install_hint


def fuse_kernels(llm: PreTrainedModel) -> None:
    """Puts Liger's RMSNorm and SwiGLU into a causal LLM, in place.

    Source: Liger kernels (Hsu et al., 2024, arXiv:2410.10989).

    Raises
    ------
    BackboneError
        If there is no GPU, or liger-kernel is missing.

    Example
    -------
    >>> if not torch.cuda.is_available():
    ...     fuse_kernels(None)
    Traceback (most recent call last):
    speechbrain_xser.errors.BackboneError: Fused kernels need a CUDA GPU and there is none: set fused_kernels to false.
    """
    if not torch.cuda.is_available():
        raise BackboneError("Fused kernels need a CUDA GPU and there is none: set fused_kernels to false.")
    if find_spec("liger_kernel") is None:
        raise BackboneError(f"Fused kernels need Liger. Run: {install_hint('kernels')}, or set fused_kernels to false.")
    from liger_kernel.transformers import _apply_liger_kernel_to_instance

    # rotations and the loss have code of their own in this package
    _apply_liger_kernel_to_instance(llm, rope=False, cross_entropy=False, fused_linear_cross_entropy=False)
