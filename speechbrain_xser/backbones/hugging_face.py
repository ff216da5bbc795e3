"""Writes Hugging Face folders whose bytes depend only on the source, not on the versions of libraries.

A trained folder identifies its backbones by the SHA-256 of weights, configuration and tokenizer, and
``save_pretrained`` would write its library's version into them.
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
    """Writes ``model.safetensors``, with sorted names."""
    contiguous = {name: weights[name].contiguous() for name in sorted(weights)}
    with moved_into_place(folder / WEIGHTS, synced=False) as beside:  # gives the file the usual permissions
        save_file(contiguous, beside, metadata={"format": "pt"})


def write_json(path: Path, values: Mapping) -> None:
    """Writes JSON with sorted keys."""
    path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", **UTF_8)
