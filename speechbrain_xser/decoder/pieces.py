"""The most frequent tokens of an LLM, as a tokenizer of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from speechbrain_xser.errors import BackboneError


class Pieces:
    """A byte-pair tokenizer that stops after its first merges, so that rarer words fall into several tokens.

    Byte-pair encoding (Sennrich et al., 2016, ACL) merges the most frequent pairs first. So its symbols and its first
    merges are a smaller vocabulary of the same kind. A token's place in it is its class; ``ids`` has its id.

    Arguments
    ---------
    tokenizer : PreTrainedTokenizerBase
        A fast one of byte pairs; it is not changed.
    size : int
        Tokens to keep.

    Raises
    ------
    BackboneError
        If the tokenizer is of another kind, or has fewer tokens than that, or more symbols.

    Example
    -------
    >>> from speechbrain_xser.decoder.llm import load_tokenizer
    >>> tokenizer = load_tokenizer("packaged:llama-tiny")
    >>> pieces = Pieces(tokenizer, 400)
    >>> max(pieces(" tomorrow")) < 400, len(pieces(" tomorrow")) > len(tokenizer(" tomorrow").input_ids)
    (True, True)
    >>> pieces.text(pieces(" tomorrow"))
    ' tomorrow'
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, size: int) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        whole = None if backend is None else json.loads(backend.to_str())
        if whole is None or whole["model"]["type"] != "BPE":
            raise BackboneError("Rows need a fast tokenizer of byte pairs (BPE). This LLM has none: use soft tokens.")
        known: dict[str, int] = whole["model"]["vocab"]
        merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in whole["model"]["merges"]]
        kept = _kept(known, merges, {token["content"] for token in whole["added_tokens"]}, size)
        self.ids = [known[token] for token in kept]
        vocabulary = {token: place for place, token in enumerate(kept)}
        merges = [[left, right] for left, right in merges if {left, right, left + right} <= vocabulary.keys()]
        parts = {"model": {**whole["model"], "vocab": vocabulary, "merges": merges}, "added_tokens": []}
        self._tokenizer = Tokenizer.from_str(json.dumps({**whole, **parts, "post_processor": None}))

    def __call__(self, text: str) -> list[int]:
        """Places of a text's tokens, all below the size."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def text(self, places: Sequence[int]) -> str:
        """The text of tokens."""
        return self._tokenizer.decode(list(places), skip_special_tokens=False)


def _kept(known: dict[str, int], merges: list[list[str]], control: set[str], size: int) -> list[str]:
    """Symbols in the order of their ids, and what the first merges make of them."""
    made = list(dict.fromkeys(left + right for left, right in merges))
    symbols = sorted(known.keys() - set(made) - control, key=known.__getitem__)
    if not len(symbols) <= size <= len(symbols) + len(made):
        few, all_ = len(symbols), len(symbols) + len(made)
        raise BackboneError(f"{size} tokens for rows: this LLM has {few} symbols and {all_} tokens, expected between.")
    return symbols + made[: size - len(symbols)]
