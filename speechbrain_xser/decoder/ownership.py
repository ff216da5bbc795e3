"""A module whose state is what it owns: the frozen backbone inside it is in no checkpoint.

Ownership is decided by name, not by ``requires_grad``, so a part that is frozen in one stage is still saved. Loading is
strict for owned tensors, and the backbone's weights in a checkpoint are refused by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class OwnsPart(nn.Module, ABC):
    """Base class of modules that save and load only the tensors that :meth:`owns` names.

    Example
    -------
    >>> class Tuned(OwnsPart):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.base, self.head = nn.Linear(2, 2), nn.Linear(2, 1)
    ...     def owns(self, name):
    ...         return name.startswith("head")
    >>> list(Tuned().state_dict())
    ['head.weight', 'head.bias']
    >>> nn.Sequential(Tuned()).load_state_dict(nn.Sequential(Tuned()).state_dict())
    <All keys matched successfully>
    """

    def __init__(self) -> None:
        super().__init__()
        self._loading_prefix = ""
        self.register_state_dict_post_hook(_drop_foreign)
        self.register_load_state_dict_pre_hook(_refuse_foreign)
        self.register_load_state_dict_post_hook(_forgive_foreign)

    @abstractmethod
    def owns(self, name: str) -> bool:
        """Whether the tensor of this name (relative to this module) belongs in a checkpoint."""

    def _is_foreign(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix) and not self.owns(key[len(prefix) :])


def _drop_foreign(module: OwnsPart, state: dict[str, Tensor], prefix: str, _metadata: dict) -> None:
    """After saving, removes the backbone's tensors."""
    for key in [key for key in state if module._is_foreign(key, prefix)]:
        del state[key]


def _refuse_foreign(
    module: OwnsPart,
    state: dict,
    prefix: str,
    _metadata: dict,
    _strict: bool,
    _missing: list,
    unexpected: list,
    *_: list,
) -> None:
    """Before loading, reports tensors that are not owned as unexpected, and does not copy them."""
    module._loading_prefix = prefix
    for key in [key for key in state if module._is_foreign(key, prefix)]:
        unexpected.append(key)
        del state[key]


def _forgive_foreign(module: OwnsPart, keys: tuple) -> None:
    """After loading, does not report the backbone's tensors as missing."""
    keys.missing_keys[:] = [key for key in keys.missing_keys if not module._is_foreign(key, module._loading_prefix)]
