"""Converts Whisper from CTranslate2's format to a folder of transformers' ``WhisperForConditionalGeneration``.

Source: Whisper (Radford et al., 2023, ICML). The values stay as they are, in float16. CTranslate2 stores queries, keys
and values in one matrix, and zeros for the bias of keys, which have none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from speechbrain_xser.backbones import whisper_settings as settings
from speechbrain_xser.backbones.ctranslate2 import read_model
from speechbrain_xser.backbones.hugging_face import write_json, write_weights
from speechbrain_xser.errors import BackboneError

Arrays = Mapping[str, np.ndarray]
LAYER = {  # parts of a layer with the same shape in both: their name, our name
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "attention/layer_norm": "encoder_attn_layer_norm",
    "attention/linear_0": "encoder_attn.q_proj",
    "attention/linear_2": "encoder_attn.out_proj",
}
JOINED = {  # several of equal width in one matrix
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
}
TABLES = {  # the others, which are not a pair of weight and bias
    "encoder/position_encodings/encodings": "encoder.embed_positions.weight",
    "decoder/position_encodings/encodings": "decoder.embed_positions.weight",
    "decoder/embeddings/weight": "decoder.embed_tokens.weight",
}
ENDS = ("conv1", "conv2", "layer_norm")  # before and after the layers
VALUES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
SETTINGS = ("num_heads", "pre_norm", "activation", "scale_embeddings", "start_from_zero_embedding", "alibi")
SETTINGS += ("alignment_heads", "alignment_layer")  # scalars of a side, which are not weights


def convert_whisper(source: Path, target: Path) -> None:
    """Converts ``model.bin``, ``config.json`` and ``tokenizer.json`` into an empty folder."""
    model = read_model(source / "model.bin")
    if model.specification != "WhisperSpec":
        raise BackboneError(f"{source / 'model.bin'}: holds a {model.specification}, expected a WhisperSpec")
    weights = whisper_weights(model.variables)
    write_weights(target, {name: torch.from_numpy(np.array(values)) for name, values in weights.items()})
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    tokens = settings.special_tokens(source / "tokenizer.json")
    write_json(target / "config.json", settings.config(model.variables, tokens))
    write_json(target / "preprocessor_config.json", settings.preprocessor(model.variables))
    write_json(target / "tokenizer_config.json", settings.tokenizer(tokens))
    suppressed = json.loads((source / "config.json").read_text(encoding="utf-8"))
    write_json(target / "generation_config.json", settings.generation(model.variables, tokens, suppressed))


def whisper_weights(variables: Arrays) -> dict[str, np.ndarray]:
    """The weights by transformers' names, without ``proj_out.weight``, which is the embedding of tokens.

    Example
    -------
    >>> whole = np.arange(6, dtype=np.float16).reshape(6, 1)
    >>> found = whisper_weights({"encoder/layer_0/self_attention/linear_0/weight": whole})
    >>> found["model.encoder.layers.0.self_attn.v_proj.weight"].ravel().tolist()
    [4.0, 5.0]
    """
    found: dict[str, np.ndarray] = {}
    for name, values in variables.items():
        side, _, rest = name.partition("/")
        if rest in SETTINGS or name == "decoder/projection/weight":
            continue
        if not np.issubdtype(values.dtype, np.floating):
            raise BackboneError(f"{name} is quantised ({values.dtype}); expected a Whisper in float16 or float32")
        for ours, part in _named(name, side, rest, values).items():
            found[f"model.{ours}"] = part
    return found


def _named(name: str, side: str, rest: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """One variable by our names, without ``model.``."""
    if name in TABLES:
        return {TABLES[name]: values}
    part, _, kind = rest.rpartition("/")
    if kind in VALUES and part in ENDS:
        return {f"{side}.{part}.{VALUES[kind]}": values}
    layer, _, part = part.removeprefix("layer_").partition("/")
    if kind not in VALUES or not layer.isdigit() or part not in LAYER | JOINED:
        raise BackboneError(f"{name} is no variable of a Whisper that is known here")
    names = [f"{side}.layers.{layer}.{ours}.{VALUES[kind]}" for ours in JOINED.get(part) or (LAYER[part],)]
    return _without_key_bias(dict(zip(names, np.split(values, len(names)), strict=True)))


def _without_key_bias(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drops the zeros for the bias that Whisper's keys do not have."""
    biases = [name for name in parts if name.endswith("k_proj.bias")]
    if any(parts[name].any() for name in biases):
        raise BackboneError(f"{biases[0]} is not zero, but Whisper's keys have no bias")
    return {name: values for name, values in parts.items() if name not in biases}
