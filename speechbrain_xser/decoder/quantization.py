"""Weights of four or eight bits through bitsandbytes, on a GPU or a CPU; and those of a GGUF file, unpacked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from threading import RLock

import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.utils.quantization_config import GgufConfig

from speechbrain_xser.errors import BackboneError, SettingsError
from speechbrain_xser.versions import install_hint

BITS = ("4bit", "8bit")
LIBRARY = "bitsandbytes"
PACKED_ROWS, PACKED_COLUMNS = 32, 64  # that bitsandbytes packs together
QUANTISED = ("Linear4bit", "Linear8bitLt")  # PEFT's names for LoRA on bitsandbytes' layers
_hiding = RLock()  # one thread at a time changes which modules exist


@contextmanager
def without_bitsandbytes() -> Iterator[None]:
    """Hides bitsandbytes from PEFT, which imports it and torch's compiler for every adapter, quantised or not.

    If it is loaded already, as for every quantised model, nothing is hidden. PEFT has no switch for this; it asks
    whether the module can be found. So the module is hidden here, and PEFT's cached answer is cleared afterwards.

    Example
    -------
    >>> with without_bitsandbytes():
    ...     find_spec("bitsandbytes") is None or sys.modules["bitsandbytes"] is not None
    True
    """
    with _hiding:
        if LIBRARY in sys.modules:
            yield
            return
        sys.modules[LIBRARY] = None  # for Python, this means that the module does not exist
        try:
            yield
        finally:
            del sys.modules[LIBRARY]
            known = import_module("peft.import_utils")
            known.is_bnb_available.cache_clear()
            known.is_bnb_4bit_available.cache_clear()


def quantized(quantization: str | None, dtype: torch.dtype) -> dict[str, object]:
    """Arguments of ``from_pretrained`` for quantised weights: "4bit", "8bit", or ``None``, which needs none.

    Sources: NF4 with double quantisation (QLoRA; Dettmers et al., 2023, NeurIPS); LLM.int8() (Dettmers et al., 2022,
    NeurIPS).

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
    if find_spec(LIBRARY) is None:
        raise BackboneError(
            f"{quantization} weights need bitsandbytes. Run: {install_hint('quantized')}, or set quantization to null."
        )
    with _hiding:
        import_module(LIBRARY)  # from now on PEFT finds it
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
    config = (
        BitsAndBytesConfig(load_in_8bit=True)
        if quantization == "8bit"
        else BitsAndBytesConfig(load_in_4bit=True, **four)
    )
    device = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    return {"quantization_config": config, "device_map": {"": device}}


def unpacked(quantization: str | None) -> dict[str, object]:
    """Arguments of ``from_pretrained`` for a GGUF file, whose weights become plain ones.

    Raises
    ------
    BackboneError
        If they should be quantised again.
    """
    if quantization is not None:
        raise BackboneError(f"A GGUF file is not quantised to {quantization} again: set quantization to null.")
    return {"quantization_config": GgufConfig(dequantize=True)}


def refuse_quantised(llm: nn.Module) -> None:
    """Raises a ``SettingsError`` if LoRA would be merged into weights of four or eight bits."""
    found = next((type(part).__name__ for part in llm.modules() if type(part).__name__ in QUANTISED), None)
    if found is not None:
        raise SettingsError(
            f"LoRA cannot be merged into quantised weights ({found}): rounded to their steps, much of what was learnt "
            "would be lost. Leave --fast or merge=True out; or load the weights as they are, with "
            'overrides={"quantization": None}; or merge once for all with `xser export`, which does that.'
        )


def without_impossible_packing(llm: nn.Module) -> None:
    """Lets 4-bit layers that bitsandbytes cannot pack for AVX-512 compute as on other processors.

    On processors with bfloat16, bitsandbytes rearranges a layer's weights when it first answers. It needs rows in
    multiples of 32 and columns in multiples of a block (64), and raises an error for other layers.
    """
    for layer in llm.modules():
        if type(layer).__name__ == "Linear4bit":
            rows, columns = layer.out_features, layer.in_features
            layer.support_avx512bf16_for_cpu &= rows % PACKED_ROWS == 0 and columns % PACKED_COLUMNS == 0
