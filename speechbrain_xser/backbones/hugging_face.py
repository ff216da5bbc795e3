"""Writes Hugging Face folders whose bytes depend on the source alone, not on the versions of the libraries.

A trained folder knows its backbones by the SHA-256 of weights, configuration and tokenizer, and ``save_pretrained``
puts its library's version into them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from speechbrain_xser.utils.files import UTF_8, moved_into_place

WEIGHTS = "model.safetensors"


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Writes ``model.safetensors``.

    Example
    -------
    >>> import torch
    >>> write_weights(getfixture("tmp_path"), {"w": torch.zeros(2)})
    >>> [path.name for path in getfixture("tmp_path").iterdir()]
    ['model.safetensors']
    """
    contiguous = {name: weights[name].contiguous() for name in sorted(weights)}
    with moved_into_place(folder / WEIGHTS, synced=False) as beside:  # with the usual rights to read
        save_file(contiguous, beside, metadata={"format": "pt"})


def write_json(path: Path, values: Mapping) -> None:
    """Writes JSON with sorted keys.

    Example
    -------
    >>> path = getfixture("tmp_path") / "config.json"
    >>> write_json(path, {"b": 1, "a": "ä"})
    >>> path.read_text(encoding="utf-8").split()
    ['{', '"a":', '"ä",', '"b":', '1', '}']
    """
    path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", **UTF_8)
