"""Reads Resemblyzer's speaker encoder, and keeps its network alone: the checkpoint holds the optimiser's state as well.

Source: Wan et al. (2018), Generalized End-to-End Loss for Speaker Verification, ICASSP.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor

from speechbrain_xser.backbones.hugging_face import write_weights
from speechbrain_xser.errors import BackboneError

CHECKPOINT = "pretrained.pt"
NETWORK = ("lstm.", "linear.")  # the other weights are those of the training's loss


def convert_resemblyzer(source: Path, target: Path) -> None:
    """Converts ``pretrained.pt`` into an empty folder; a ``BackboneError`` if it holds anything but tensors."""
    write_weights(target, network_weights(source / CHECKPOINT))


def network_weights(path: Path) -> dict[str, Tensor]:
    """The weights of LSTM and linear layer by PyTorch's own names; nothing in the file is run.

    Example
    -------
    >>> path = getfixture("tmp_path") / "pretrained.pt"
    >>> torch.save({"model_state": {"linear.bias": torch.ones(2), "similarity_bias": torch.zeros(1)}}, path)
    >>> network_weights(path)
    {'linear.bias': tensor([1., 1.])}
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        return {name: values for name, values in state.items() if name.startswith(NETWORK)}
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, AttributeError) as error:
        told = str(error).partition("\n")[0]
        raise BackboneError(f"{path}: is not the checkpoint of a speaker encoder ({told}); fetch it again") from error
