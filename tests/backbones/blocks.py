"""The values of a GGUF file's blocks, by the layout in ggml's ``ggml-common.h``."""

import numpy as np
import torch


def by_hand(data: np.ndarray, kind: str) -> np.ndarray:
    """Rows of blocks of 32 values: Q4_1 is a step and a minimum (float16) and 4-bit levels, first the lower halves of
    16 bytes, then the upper ones; Q8_0 is a step (float16) and signed bytes."""
    rows = np.ascontiguousarray(data).view(np.uint8).reshape(len(data), -1)
    if kind == "Q8_0":
        blocks = rows.reshape(len(rows), -1, 34)
        return (numbers(blocks[..., :2]) * blocks[..., 2:].view(np.int8)).reshape(len(rows), -1)
    assert kind == "Q4_1"
    blocks = rows.reshape(len(rows), -1, 20)
    packed = blocks[..., 4:]
    levels = np.concatenate([packed % 16, packed // 16], axis=-1)
    return (numbers(blocks[..., :2]) * levels + numbers(blocks[..., 2:4])).reshape(len(rows), -1)


def numbers(pairs: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pairs).view(np.float16).astype(np.float32)


def rounded(values: np.ndarray) -> np.ndarray:
    """Rounds to the nearest bfloat16 value."""
    return torch.from_numpy(values).bfloat16().float().numpy()
