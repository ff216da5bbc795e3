"""A Llama in numpy, straight from a GGUF file and in llama.cpp's own order of rows, where neighbours turn together.

It shares nothing with the reader that is tested, nor with transformers: blocks are read by hand, and the positions turn
pairs (2i, 2i + 1) by t * base ** (-2i / width).
"""

from collections.abc import Callable, Sequence

import numpy as np
from gguf import GGUFReader

from tests.backbones.blocks import by_hand


class LlamaByHand:
    """Log-probability of each token of a text, given the tokens before it."""

    def __init__(self, reader: GGUFReader, told: Callable[[np.ndarray], np.ndarray]) -> None:
        self.tensors, self.told = {tensor.name: tensor for tensor in reader.tensors}, told
        fields = {name: field for name, field in reader.fields.items() if name.startswith("llama.")}
        self.head = {name.removeprefix("llama."): field.contents() for name, field in fields.items()}
        self.heads, self.keys = self.head["attention.head_count"], self.head["attention.head_count_kv"]

    def weights(self, name: str) -> np.ndarray:
        """A matrix or vector, read by its own type of weights."""
        tensor = self.tensors[f"{name}.weight"]
        kind = tensor.tensor_type.name
        return self.told(np.array(tensor.data) if kind == "F32" else by_hand(tensor.data, kind))

    def log_probabilities(self, ids: Sequence[int]) -> np.ndarray:
        """Log-probability of each token but the first, [T - 1]."""
        embeddings = self.weights("token_embd")
        x = embeddings[list(ids)]
        for number in range(self.head["block_count"]):
            x = x + self.attention(f"blk.{number}", self.norm(x, f"blk.{number}.attn_norm"))
            x = x + self.feed(f"blk.{number}", self.norm(x, f"blk.{number}.ffn_norm"))
        logits = (self.norm(x, "output_norm") @ embeddings.T)[:-1]
        logits = logits - logits.max(-1, keepdims=True)
        logits = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return logits[np.arange(len(ids) - 1), list(ids)[1:]]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        scale = np.sqrt((x**2).mean(-1, keepdims=True) + self.head["attention.layer_norm_rms_epsilon"])
        return x / scale * self.weights(name)

    def feed(self, place: str, x: np.ndarray) -> np.ndarray:
        gate, up = (x @ self.weights(f"{place}.ffn_{name}").T for name in ("gate", "up"))
        return (gate / (1 + np.exp(-gate)) * up) @ self.weights(f"{place}.ffn_down").T

    def attention(self, place: str, x: np.ndarray) -> np.ndarray:
        q, k, v = (x @ self.weights(f"{place}.attn_{name}").T for name in "qkv")
        q, k, v = (rows.reshape(len(x), count, -1) for rows, count in ((q, self.heads), (k, self.keys), (v, self.keys)))
        q, k = self.turned(q), self.turned(k)
        heard = np.tril(np.ones((len(x), len(x)), bool))
        found = np.empty_like(q)
        for head in range(self.heads):
            key = head // (self.heads // self.keys)
            scores = np.where(heard, q[:, head] @ k[:, key].T / np.sqrt(q.shape[-1]), -np.inf)
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            found[:, head] = shares / shares.sum(-1, keepdims=True) @ v[:, key]
        return found.reshape(len(x), -1) @ self.weights(f"{place}.attn_output").T

    def turned(self, rows: np.ndarray) -> np.ndarray:
        """Queries or keys [T, heads, width] with their positions."""
        width = rows.shape[-1]
        angles = np.arange(len(rows))[:, None] * self.head["rope.freq_base"] ** (-np.arange(0, width, 2) / width)
        turned = (rows[..., 0::2] + 1j * rows[..., 1::2]) * np.exp(1j * angles)[:, None]
        return np.stack([turned.real, turned.imag], axis=-1).reshape(rows.shape).astype(np.float32)
