"""Converts a Llama in a GGUF file to plain weights in a Hugging Face folder.

Sources: the GGUF specification and ``conversion`` of llama.cpp; SmolLM2 (Ben Allal et al., 2025, arXiv 2502.02737). The
weights of a quantised file are its dequantised values, not those it was made from. They are written as bfloat16, in
which SmolLM2 was trained. llama.cpp orders the rows of queries and keys for its own rotary embedding (it rotates
neighbours); transformers rotates the two halves of a head against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from torch import Tensor

from speechbrain_xser.backbones.gguf_file import opened, value
from speechbrain_xser.backbones.gguf_tokenizer import chat_settings, tokenizer
from speechbrain_xser.backbones.hugging_face import write_json, write_weights
from speechbrain_xser.errors import BackboneError

WHOLE = {  # tensors outside of layers: their name, our name
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TURNED = {"attn_q": "head_count", "attn_k": "head_count_kv"}  # rotated by position; the setting counts heads


def convert_llama(source: Path, target: Path) -> None:
    """Converts the only ``.gguf`` file of a folder into an empty folder; a ``BackboneError`` if it cannot."""
    found = sorted(source.glob("*.gguf"))
    if len(found) != 1:
        raise BackboneError(f"{source}: holds {len(found)} GGUF files, expected one")
    reader = opened(found[0], "llama")
    weights = dict(llama_weights(reader))
    write_weights(target, weights)
    config = _config(reader, weights)
    write_json(target / "config.json", config)
    write_json(target / "generation_config.json", {name: config[name] for name in config if name.endswith("_token_id")})
    write_json(target / "tokenizer.json", tokenizer(reader))
    write_json(target / "tokenizer_config.json", chat_settings(reader))


def llama_weights(reader: GGUFReader) -> Iterator[tuple[str, Tensor]]:
    """The weights by transformers' names, in bfloat16; a ``BackboneError`` for an unknown tensor."""
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        kind = tensor.name.split(".")[-2]
        if kind in TURNED:
            values = in_halves(values, value(reader, f"llama.attention.{TURNED[kind]}"))
        yield _named(tensor.name), torch.from_numpy(np.array(values, dtype=np.float32)).bfloat16()


def _named(name: str) -> str:
    """Transformers' name for a tensor."""
    place, *rest = name.split(".")
    if place in WHOLE and rest == ["weight"]:
        return f"{WHOLE[place]}.weight"
    if place != "blk" or len(rest) != 3 or rest[1] not in LAYER or rest[2] != "weight":
        raise BackboneError(f"{name} is no tensor of a Llama that is known here")
    return f"model.layers.{rest[0]}.{LAYER[rest[1]]}.weight"


def in_halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Reorders the rows of each head, [heads * width, d], from llama.cpp's pairs to transformers' halves.

    Example
    -------
    >>> in_halves(np.array([[0], [2], [1], [3]]), heads=1).ravel().tolist()
    [0, 1, 2, 3]
    """
    return rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def _config(reader: GGUFReader, weights: dict[str, Tensor]) -> dict:
    """``config.json``, from the file's header; a float32 is written as its shortest decimal, as in the original."""

    def setting(name: str) -> object:
        return value(reader, f"llama.{name}")

    width, heads = setting("embedding_length"), setting("attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "attention_bias": False,
        "head_dim": width // heads,
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": setting("feed_forward_length"),
        "max_position_embeddings": setting("context_length"),
        "mlp_bias": False,
        "num_attention_heads": heads,
        "num_hidden_layers": setting("block_count"),
        "num_key_value_heads": setting("attention.head_count_kv"),
        "rms_norm_eps": float(str(np.float32(setting("attention.layer_norm_rms_epsilon")))),
        "rope_parameters": {"rope_theta": setting("rope.freq_base"), "rope_type": "default"},
        "tie_word_embeddings": "lm_head.weight" not in weights,
        "vocab_size": weights["model.embed_tokens.weight"].shape[0],
        "bos_token_id": value(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": value(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": value(reader, "tokenizer.ggml.padding_token_id"),
    }
