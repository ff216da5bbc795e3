"""What differs between a file and what it is loaded into, said key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from speechbrain_xser.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


def differing_keys(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """One line for each key whose value differs or that one side lacks.

    Arguments
    ---------
    found, expected : mapping of str to any
        What a checkpoint has, and what this run has.

    Returns
    -------
    list of str
        In the order of the keys; empty where nothing differs.

    Example
    -------
    >>> differing_keys({"vocabulary": 10, "seed": 1}, {"vocabulary": 12, "seed": 1})
    ['vocabulary: checkpoint has 10, this run 12']
    """
    missing = "nothing"
    return [
        f"{key}: checkpoint has {found.get(key, missing)!r}, this run {expected.get(key, missing)!r}"
        for key in sorted({*found, *expected})
        if found.get(key, missing) != expected.get(key, missing)
    ]


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raises where names or shapes of tensors differ, and lists the differing keys.

    Arguments
    ---------
    found, expected : mapping of str to Tensor
        A file's tensors, and the model's.
    where : str
        Names the file in the message.

    Raises
    ------
    CheckpointError
        If they differ; the message lists the first 20 keys.

    Example
    -------
    >>> import torch
    >>> check_tensors({"a": torch.ones(2)}, {"a": torch.ones(3)}, "model.safetensors")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: model.safetensors does not fit this model: a: checkpoint has [2],
    this run [3]
    """
    shapes = [{key: list(value.shape) for key, value in tensors.items()} for tensors in (found, expected)]
    different = differing_keys(*shapes)
    if different:
        shown = "; ".join(different[:20]) + (f"; and {len(different) - 20} more" if len(different) > 20 else "")
        raise CheckpointError(f"{where} does not fit this model: {shown}")
