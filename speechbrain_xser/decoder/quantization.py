"""Weights of four or eight bits through bitsandbytes, on a GPU or a CPU."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from transformers import BitsAndBytesConfig

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.versions import install_hint

BITS = ("4bit", "8bit")


def quantized(quantization: str | None, dtype: torch.dtype) -> dict[str, object]:
    """Arguments of ``from_pretrained`` for quantised weights.

    Sources: NF4 with double quantisation (QLoRA; Dettmers et al., 2023, NeurIPS); LLM.int8() (Dettmers et al., 2022,
    NeurIPS).

    Arguments
    ---------
    quantization : str, optional
        "4bit", "8bit", or ``None`` for weights as they are.
    dtype : torch.dtype
        Of the computation.

    Returns
    -------
    dict
        Empty for ``None``.

    Raises
    ------
    BackboneError
        If the name is unknown, or bitsandbytes is missing.

    Example
    -------
    >>> quantized(None, torch.bfloat16)
    {}
    >>> quantized("4bit", torch.bfloat16)["quantization_config"].bnb_4bit_quant_type
    'nf4'
    """
    if quantization is None:
        return {}
    if quantization not in BITS:
        raise BackboneError(f"Unknown quantization {quantization!r}: expected one of {', '.join(BITS)}, or null.")
    if find_spec("bitsandbytes") is None:
        raise BackboneError(
            f"{quantization} weights need bitsandbytes. Say: {install_hint('quantized')}, or set quantization to null."
        )
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
    config = (
        BitsAndBytesConfig(load_in_8bit=True)
        if quantization == "8bit"
        else BitsAndBytesConfig(load_in_4bit=True, **four)
    )
    device = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    return {"quantization_config": config, "device_map": {"": device}}
