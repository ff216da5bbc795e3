"""A pretrained module that never trains and is in no checkpoint; only its source is recorded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Self

from torch import nn


class FrozenModule(nn.Module):
    """Stays in eval, without gradients, and saves nothing; strict loading of a parent does not report it as missing.

    A subclass calls :meth:`freeze` when it is built.

    Example
    -------
    >>> class Frozen(FrozenModule):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.linear = nn.Linear(2, 1)
    ...         self.freeze()
    >>> frozen = Frozen().train()
    >>> frozen.training, len(frozen.state_dict()), any(one.requires_grad for one in frozen.parameters())
    (False, 0, False)
    """

    def freeze(self) -> None:
        """Turns training off for good: no gradients, always in eval."""
        self.requires_grad_(False)
        self.train(False)
        self.register_load_state_dict_post_hook(_forgive_missing)

    def train(self, mode: bool = True) -> Self:
        """Stays in eval: no dropout, no layer-drop, no masking, whatever ``mode`` says.

        Arguments
        ---------
        mode : bool
            Ignored.

        Returns
        -------
        FrozenModule
            Itself, in eval.
        """
        return super().train(False)

    def state_dict(self, *args, destination: dict | None = None, **kwargs) -> dict:
        """An empty state: the pretrained module is recorded by its source, not saved.

        Arguments
        ---------
        *args, **kwargs
            As ``nn.Module`` takes them; ignored.
        destination : dict, optional
            Where a parent collects its tensors; left as it is.

        Returns
        -------
        dict
            ``destination``, or an empty dict.
        """
        return OrderedDict() if destination is None else destination

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, unexpected, errors) -> None:
        """Loads nothing: every key is unexpected, and none of its own counts as missing."""
        unexpected.extend(state_dict)
        state_dict.clear()
        self._missing_before = len(missing)


def _forgive_missing(module: FrozenModule, incompatible: tuple[list[str], list[str]]) -> None:
    """Drops the missing keys that the module's own parts reported between the two hooks."""
    del incompatible[0][module._missing_before :]
