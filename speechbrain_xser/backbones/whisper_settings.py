"""The JSON files beside a Whisper's weights in a Hugging Face folder, from the shapes and names in CTranslate2's files.

The parameters of the spectrogram are in no file; they are the same in all Whisper models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Arrays = Mapping[str, np.ndarray]


def special_tokens(path: Path) -> dict[str, int]:
    """The ids of tokens such as ``<|endoftext|>``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {token["content"]: token["id"] for token in content["added_tokens"]}


def _layers(variables: Arrays, side: str) -> int:
    return sum(name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/weight") for name in variables)


def config(variables: Arrays, tokens: Mapping[str, int]) -> dict:
    """``config.json``, from the shapes."""
    vocabulary, width = variables["decoder/embeddings/weight"].shape
    sides = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in (
            ("attention_heads", int(variables[f"{side}/num_heads"])),
            ("layers", _layers(variables, side)),
            ("ffn_dim", variables[f"{side}/layer_0/ffn/linear_0/weight"].shape[0]),
        )
    }
    return {
        **sides,
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "dtype": str(variables["decoder/embeddings/weight"].dtype),
        "activation_function": "gelu",
        "d_model": width,
        "is_encoder_decoder": True,
        "max_source_positions": variables["encoder/position_encodings/encodings"].shape[0],
        "max_target_positions": variables["decoder/position_encodings/encodings"].shape[0],
        "num_hidden_layers": sides["encoder_layers"],
        "num_mel_bins": variables["encoder/conv1/weight"].shape[1],
        "scale_embedding": bool(variables["decoder/scale_embeddings"]),
        "tie_word_embeddings": True,
        "vocab_size": vocabulary,
        **_ends(tokens),
    }


def _ends(tokens: Mapping[str, int]) -> dict:
    end, start = tokens["<|endoftext|>"], tokens["<|startoftranscript|>"]
    return {"bos_token_id": end, "decoder_start_token_id": start, "eos_token_id": end, "pad_token_id": end}


def preprocessor(variables: Arrays) -> dict[str, object]:
    """``preprocessor_config.json``: windows of 25 ms every 10 ms, in pieces of 30 s."""
    return {
        "chunk_length": 30,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": variables["encoder/conv1/weight"].shape[1],
        "hop_length": 160,
        "n_fft": 400,
        "padding_side": "right",
        "padding_value": 0.0,
        "processor_class": "WhisperProcessor",
        "return_attention_mask": False,
        "sampling_rate": 16000,
    }


def tokenizer(tokens: Mapping[str, int]) -> dict:
    """``tokenizer_config.json``; the tokenizer itself is the source's ``tokenizer.json``."""
    end = "<|endoftext|>"
    return {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "additional_special_tokens": list(tokens),
        **{f"{kind}_token": end for kind in ("bos", "eos", "unk", "pad")},
        "add_prefix_space": False,
    }


def generation(variables: Arrays, tokens: Mapping[str, int], suppressed: Mapping) -> dict:
    """``generation_config.json``; suppressed tokens and alignment heads come from the source's ``config.json``."""
    return {
        **_ends(tokens),
        "alignment_heads": suppressed["alignment_heads"],
        "begin_suppress_tokens": suppressed["suppress_ids_begin"],
        "is_multilingual": False,
        "max_initial_timestamp_index": 50,
        "max_length": variables["decoder/position_encodings/encodings"].shape[0],
        "no_timestamps_token_id": tokens["<|notimestamps|>"],
        "prev_sot_token_id": tokens["<|startofprev|>"],
        "return_timestamps": False,
        "suppress_tokens": suppressed["suppress_ids"],
    }
