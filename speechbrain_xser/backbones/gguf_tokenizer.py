"""The tokenizer in a GGUF file, as the JSON of Hugging Face's tokenizers.

llama.cpp stores only the name of the pre-tokenizer, the rule that splits text before the merges, while Hugging Face
stores the rule itself; transformers' own GGUF reader knows the rules of Llama 3, Qwen 2 and some others, and uses
GPT-2's for the rest. Where SmolLM's splits off each digit, GPT-2's leaves a space attached to it.
"""

from __future__ import annotations

import json
from pathlib import Path

from gguf import GGUFReader, TokenType
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from speechbrain_xser.backbones.gguf_file import opened, value
from speechbrain_xser.errors import BackboneError

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
CUTS = {  # by llama.cpp's name
    "gpt-2": BYTES,
    "smollm": {"type": "Sequence", "pretokenizers": [DIGITS, BYTES]},
}


def own_tokenizer(path: Path) -> PreTrainedTokenizerFast | None:
    """The tokenizer of a GGUF file that cuts text in a way of ``CUTS``; ``None`` for any other.

    Raises a ``BackboneError`` if the file cannot be read.
    """
    reader = opened(path)
    if value(reader, "tokenizer.ggml.model") != "gpt2" or value(reader, "tokenizer.ggml.pre") not in CUTS:
        return None
    settings = {name: part for name, part in chat_settings(reader).items() if part is not None}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(tokenizer(reader))), **settings)


def tokenizer(reader: GGUFReader) -> dict:
    """``tokenizer.json`` of a byte-level BPE; a ``BackboneError`` for another kind or an unknown pre-tokenizer."""
    kind, cut = value(reader, "tokenizer.ggml.model"), value(reader, "tokenizer.ggml.pre")
    if kind != "gpt2" or cut not in CUTS:
        raise BackboneError(
            f"The tokenizer is a {kind!r} that cuts as {cut!r}; expected a 'gpt2' that cuts as one of {', '.join(CUTS)}"
        )
    tokens, kinds = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.token_type")
    special = [number for number, token_type in enumerate(kinds) if token_type == TokenType.CONTROL]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(number, tokens[number]) for number in special],
        "normalizer": None,
        "pre_tokenizer": CUTS[cut],
        "post_processor": None,
        "decoder": {**BYTES, "add_prefix_space": True},
        "model": _merging(tokens, value(reader, "tokenizer.ggml.merges")),
    }


def _merging(tokens: list[str], merges: list[str]) -> dict:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {token: number for number, token in enumerate(tokens)},
        "merges": merges,
    }


def _added(number: int, token: str) -> dict:
    """A token that is never split."""
    kinds = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **kinds, "special": True}


def chat_settings(reader: GGUFReader) -> dict:
    """``tokenizer_config.json``: special tokens by role, the chat template, and the longest context."""
    tokens, architecture = value(reader, "tokenizer.ggml.tokens"), value(reader, "general.architecture")
    parts = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    numbers = {part: value(reader, f"tokenizer.ggml.{theirs}_token_id") for part, theirs in parts.items()}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": value(reader, f"{architecture}.context_length"),
        "chat_template": value(reader, "tokenizer.chat_template"),
        **{part: tokens[number] for part, number in numbers.items() if number is not None},
    }
