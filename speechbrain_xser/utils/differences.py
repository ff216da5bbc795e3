"""Lists the differences between a file and what it is loaded into, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from speechbrain_xser.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


def differing_keys(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """One line for each key whose value differs or that one side lacks, sorted by key.

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
    """Raises a ``CheckpointError`` with the first 20 differing keys if names or shapes of tensors differ."""
    check_shapes({key: list(value.shape) for key, value in found.items()}, expected, where)


def check_shapes(found: Mapping[str, list[int]], expected: Mapping[str, Tensor], where: str) -> None:
    """The same for tensors of which only the shapes are known, as from a file's header."""
    different = differing_keys(found, {key: list(value.shape) for key, value in expected.items()})
    if different:
        shown = "; ".join(different[:20]) + (f"; and {len(different) - 20} more" if len(different) > 20 else "")
        raise CheckpointError(f"{where} does not fit this model: {shown}")
