"""The names and shapes of a safetensors file, from its header alone."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from speechbrain_xser.errors import CheckpointError

MOST_HEADER_BYTES = 1 << 24  # a model of 100,000 tensors has half of it


def tensor_shapes(path: str | Path) -> dict[str, list[int]]:
    """Reads the shape of every tensor of a file; no tensor is read.

    Arguments
    ---------
    path : str or Path
        A safetensors file.

    Returns
    -------
    dict of str to list of int
        Shapes by name.

    Raises
    ------
    CheckpointError
        If it is missing, broken, or its header is too long.

    Example
    -------
    >>> import torch
    >>> from safetensors.torch import save_file
    >>> path = getfixture("tmp_path") / "model.safetensors"
    >>> save_file({"weight": torch.zeros(2, 3)}, path)
    >>> tensor_shapes(path)
    {'weight': [2, 3]}
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER_BYTES:
            raise OSError(f"a header of {length} bytes, more than {MOST_HEADER_BYTES}")
        with safe_open(path, "pt") as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); the folder is not complete") from error
