"""The sizes at which everything is measured: one for CI, one for two CPU cores, and the paper's."""

from __future__ import annotations

from typing import NamedTuple

HUBERT = {
    "model_type": "hubert",
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "layerdrop": 0.0,
}
LLAMA = {
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 4,
    "pad_token_id": 5,
}


class Size(NamedTuple):
    """What is measured, and how often."""

    name: str
    encoder: dict  # of a HuBERT config.json
    llm: dict  # of a Llama config.json
    branch: dict  # latent and adapter_hidden
    lora: dict
    states: tuple[int, int]  # layers and width of the encoder's states that are summed
    batch: int  # utterances of a training step
    new_tokens: tuple[int, ...]  # of an answer
    repeats: int  # measurements of each variant
    explained: int  # utterances of a batch job
    ceiling: tuple[int, int]  # side of the square product, and words of the copy, that show what the machine can do


PAPER_LORA = {"r": 16, "alpha": 32, "dropout": 0.05}

CI = Size(
    "ci",
    HUBERT
    | {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    | {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4},
    LLAMA
    | {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    | {"intermediate_size": 64, "vocab_size": 2048},
    {"latent": 8, "adapter_hidden": 16},
    PAPER_LORA,
    states=(3, 32),
    batch=4,
    new_tokens=(6,),
    repeats=1,
    explained=6,
    ceiling=(128, 1 << 20),
)
CPU = Size(
    "cpu",
    HUBERT
    | {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 768}
    | {"conv_dim": [64] * 7, "num_conv_pos_embeddings": 32, "num_conv_pos_embedding_groups": 16},
    LLAMA
    | {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4}
    | {"intermediate_size": 768, "vocab_size": 128256},
    {"latent": 64, "adapter_hidden": 384},
    PAPER_LORA,
    states=(24, 1024),
    batch=8,
    new_tokens=(30, 60),
    repeats=3,
    explained=64,
    ceiling=(1024, 1 << 25),
)
PAPER = Size(
    "paper",
    HUBERT | {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    LLAMA
    | {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}
    | {"intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072},
    {"latent": 128, "adapter_hidden": 2048},
    PAPER_LORA,
    states=(24, 1024),
    batch=8,
    new_tokens=(30, 60),
    repeats=5,
    explained=256,
    ceiling=(8192, 1 << 29),
)
SIZES = {size.name: size for size in (CI, CPU, PAPER)}
