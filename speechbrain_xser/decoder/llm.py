"""The causal LLM and its LoRA: any ``AutoModelForCausalLM`` folder or hub id, frozen, with trained adapters.

The base is frozen here. Its adapters are float32 on a base of any dtype, with and without autocast.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from speechbrain_xser.decoder.kernels import fuse_kernels
from speechbrain_xser.decoder.layer_parts import use_few_operations
from speechbrain_xser.decoder.packing.attention import use_plans
from speechbrain_xser.decoder.packing.last_layer import prune_last_layer
from speechbrain_xser.decoder.quantization import (
    quantized,
    unpacked,
    without_bitsandbytes,
    without_impossible_packing,
)
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.backbone import DTYPES
from speechbrain_xser.utils.devices import device_map
from speechbrain_xser.utils.locks import LOADING
from speechbrain_xser.utils.sources import loading, place_of, refuse_incomplete, resolve_source
from speechbrain_xser.utils.weight_reading import weights

if TYPE_CHECKING:
    from peft import PeftModel

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # in a Llama layer
INSIDE = {  # an LLM's weights by their names inside a model that also sees, and alone
    r"^(model\.)?language_model\.(model\.)?(?!lm_head)": "model.",
    r"^language_model\.lm_head\.": "lm_head.",
}
PAPER_LORA: Mapping[str, object] = MappingProxyType({"r": 16, "alpha": 32, "dropout": 0.05, "targets": LINEARS})


def load_tokenizer(
    source: str, revision: str | None = None, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer of an LLM: a folder, GGUF file, hub id or "packaged:NAME"; a ``BackboneError`` if there is none."""
    path = resolve_source(source)
    place, gguf = place_of(path)
    options = {"revision": revision, "trust_remote_code": trust_remote_code, **gguf}
    with LOADING, loading(source, revision):
        own = gguf_tokenizer(Path(path)) if gguf else None
        return AutoTokenizer.from_pretrained(place, **options) if own is None else own


def load_llm(
    source: str,
    revision: str | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16",
    quantization: Literal["4bit", "8bit"] | None = None,
    fused_kernels: bool = False,
    load_weights: bool = True,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """Loads a causal LLM, frozen; of a model that also sees, only the LLM.

    Arguments
    ---------
    source : str
        Folder, hub id or "packaged:NAME", whose weights are read from safetensors only; or a local GGUF file, whose
        weights are unpacked to ``dtype``.
    revision : str, optional
        Commit, tag or branch of a hub id.
    dtype : str
        Dtype of the weights, or of the computation if they are quantised.
    quantization : str, optional
        "4bit" or "8bit"; see :func:`~speechbrain_xser.decoder.quantization.quantized`.
    fused_kernels : bool
        Whether its layers use Liger's kernels; needs a GPU.
    load_weights : bool
        False builds it from ``config.json`` with random weights, on the current torch device ("meta" works).
    trust_remote_code : bool
        Whether classes that the source itself brings as Python are run, as in transformers.

    Returns
    -------
    PreTrainedModel
        In eval mode; no parameter requires a gradient.

    Raises
    ------
    BackboneError
        If it cannot be found, lacks weights, has an attention that cannot be replaced, or lacks what quantised weights
        or fused kernels need.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = load_llm(tiny_llm_folder(tempfile.mkdtemp()))
    >>> llm.dtype, any(parameter.requires_grad for parameter in llm.parameters())
    (torch.bfloat16, False)
    """
    if dtype not in DTYPES:
        raise BackboneError(f"Unknown dtype {dtype!r} of the LLM {source!r}: expected one of {', '.join(DTYPES)}.")
    place, gguf = place_of(resolve_source(source))
    options = unpacked(quantization) if gguf else quantized(quantization, DTYPES[dtype])
    trusted = {"revision": revision, "trust_remote_code": trust_remote_code, **gguf}

    def build() -> PreTrainedModel:
        with LOADING, loading(source, revision):
            config = _llm_inside(AutoConfig.from_pretrained(place, **trusted))
            return AutoModelForCausalLM.from_config(config, dtype=DTYPES[dtype], trust_remote_code=trust_remote_code)

    def read() -> PreTrainedModel:
        with LOADING, loading(source, revision):
            return _read(source, place, trusted, {"dtype": DTYPES[dtype], **options})

    if not load_weights:
        llm = build()
    elif quantization is not None:  # packed as they are read, so each rank reads
        llm = read()
    else:
        llm = weights(read, build, divisible=True)
    use_plans(llm)
    use_few_operations(llm)
    prune_last_layer(llm)
    if fused_kernels:
        fuse_kernels(llm)
    return llm.eval().requires_grad_(False)


def _read(source: str, place: str, trusted: Mapping[str, object], options: Mapping[str, object]) -> PreTrainedModel:
    """The LLM with its weights, on the device that it shall go straight to."""
    config = AutoConfig.from_pretrained(place, **trusted)
    if (inside := _llm_inside(config)) is not config:
        config, options = inside, {**options, "key_mapping": INSIDE}
    options = {"config": config, "use_safetensors": True, "output_loading_info": True, **device_map(), **options}
    llm, report = AutoModelForCausalLM.from_pretrained(place, **trusted, **options)
    refuse_incomplete(source, report)
    without_impossible_packing(llm)
    return llm


def gguf_tokenizer(path: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer in a GGUF file, if text is cut in a way that transformers' own reader does not know; else None."""
    from speechbrain_xser.backbones.gguf_tokenizer import own_tokenizer  # gguf is needed for such files only

    return own_tokenizer(path)


def _llm_inside(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration of the LLM inside a model that also sees, such as Gemma 3; of any other, itself."""
    text = config.get_text_config()
    return text if type(text) in MODEL_FOR_CAUSAL_LM_MAPPING else config


def add_lora(
    llm: PreTrainedModel,
    r: int = 16,
    alpha: float = 32,
    dropout: float = 0.05,
    targets: Sequence[str] = LINEARS,
    revision: str | None = None,
) -> PeftModel:
    """Adds LoRA to linear layers: y = W x + alpha / r * B A dropout(x), with B zero at the start.

    Source: LoRA (Hu et al., 2022, ICLR).

    Arguments
    ---------
    llm : PreTrainedModel
        Changed in place.
    r : int
        Rank; memory and time of the adapters grow with it.
    alpha : float
        The scale is alpha / r, so that r can be changed alone.
    dropout : float
        On the adapters' input, in training.
    targets : sequence of str
        Names of the linears; a shorter list (``q_proj``, ``v_proj``) saves memory.
    revision : str, optional
        Revision of the base model, written into the adapter's configuration.

    Returns
    -------
    PeftModel
        Only its LoRA tensors require a gradient; they are float32.

    Raises
    ------
    BackboneError
        If a target occurs in no layer of this LLM; the message lists its linears.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_llm_folder
    >>> llm = add_lora(load_llm(tiny_llm_folder(tempfile.mkdtemp())), r=2, targets=["q_proj", "v_proj"])
    >>> sum(p.numel() for p in llm.parameters() if p.requires_grad)  # 2 layers of r * (32 + 32) + r * (32 + 16)
    448
    """
    with without_bitsandbytes():  # imported only if there is LoRA: it is slow to load
        from peft import LoraConfig, get_peft_model

        from speechbrain_xser.decoder.lora import use_few_passes

    linears = {name.split(".")[-1] for name, module in llm.named_modules() if _is_linear(module)}
    missing = sorted(set(targets) - linears)
    if missing:
        raise BackboneError(
            f"LoRA targets {missing} are in no layer of {type(llm).__name__}; its linears are {sorted(linears)}."
        )
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets),
        bias="none",
        task_type="CAUSAL_LM",
        revision=revision,
    )
    with without_bitsandbytes(), warnings.catch_warnings():
        # peft uses a deprecated name of transformers, which a user cannot fix
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        model = get_peft_model(llm, config)
    use_few_passes(model)
    return model


def _is_linear(module: nn.Module) -> bool:
    """Linear layers of torch and of bitsandbytes, and the transposed ones of GPT-2."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
