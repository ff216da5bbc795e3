"""Strictly loads the trained parts of a model folder, instead of SpeechBrain's ``Pretrainer``.

That class follows ``..`` out of the folder, links files into ``savedir`` under names that shadow the next
source, unpickles, and turns unrelated keys into a random model with a warning. Here files are read in place, are
safetensors, and must hold exactly the model's names and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from speechbrain_xser.errors import CheckpointError, UnsafeModelError
from speechbrain_xser.model_folder.locate import ADAPTER, ADAPTER_WEIGHTS, BRANCH_WEIGHTS
from speechbrain_xser.utils.differences import check_shapes
from speechbrain_xser.utils.tensor_headers import tensor_shapes

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.safetensors)?")
PARTS = ("branches", "adapter")
LORA = ".lora_"  # in the names of all tensors that an LLM decoder owns


class FolderPretrainer:
    """The ``pretrainer`` of a model folder's ``hyperparams.yaml``.

    Arguments
    ---------
    paths : dict
        File name of each part: "branches" (a safetensors file) and, with LoRA, "adapter" (a PEFT adapter folder).

    Raises
    ------
    UnsafeModelError
        If a part is unknown or a name is more than a plain name inside the folder.

    Example
    -------
    >>> FolderPretrainer({"branches": "../../model.safetensors"})
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: pretrainer: branches is '../../model.safetensors'; expected a plain \
name inside the folder, such as model.safetensors
    """

    def __init__(self, paths: dict[str, str]) -> None:
        for part, name in paths.items():
            if part not in PARTS:
                raise UnsafeModelError(f"pretrainer: unknown part {part!r}; expected {', '.join(PARTS)}")
            if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
                raise UnsafeModelError(
                    f"pretrainer: {part} is {name!r}; expected a plain name inside the folder, such as "
                    "model.safetensors"
                )
        self.names = dict(paths)

    def load_into(self, model: nn.Module, folder: str | Path, new_branches: Collection[str] = ()) -> None:
        """Loads every part into a model.

        Arguments
        ---------
        model : ExplainableSER
            Built with the folder's configuration.
        folder : str or Path
            The model folder.
        new_branches : collection of str
            Branches that keep their own weights; the folder's may have any shape, or be absent.

        Raises
        ------
        CheckpointError
            If a file is missing or broken, or names or shapes differ (it lists them), or a part is not covered.
        """
        expected = {"branches"} | ({"adapter"} if _has_lora(model) else set())
        if set(self.names) != expected:
            raise CheckpointError(f"{folder}: holds {sorted(self.names)}; this model's parts are {sorted(expected)}")
        load_branches(model, Path(folder) / self.names["branches"], new_branches)
        if "adapter" in expected:
            load_adapter(model, Path(folder) / self.names["adapter"])


def parts_of(model: Mapping[str, object]) -> dict[str, str]:
    """The parts of a model folder and their file names, from the model's plain values."""
    return {"branches": BRANCH_WEIGHTS} | ({"adapter": ADAPTER} if model["decoder"].get("lora") else {})


def branch_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's own tensors except LoRA: branches, adapters, and the heads of a decoder without an LLM.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> sorted({name.split(".")[0] for name in branch_state(tiny_model(tempfile.mkdtemp()))})
    ['branches']
    """
    return {name: tensor for name, tensor in model.state_dict().items() if LORA not in name}


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The decoder's LoRA under PEFT's names; empty if the decoder has none.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> state = adapter_state(tiny_model(tempfile.mkdtemp()))
    >>> next(iter(state))
    'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'
    """
    if not _has_lora(model):
        return {}
    from peft import get_peft_model_state_dict  # slow to load, but already loaded if there is LoRA

    return get_peft_model_state_dict(model.decoder.llm)


def _has_lora(model: nn.Module) -> bool:
    return getattr(model.decoder, "has_lora", False)  # a decoder without an LLM has none


def check_finite(model: nn.Module, folder: str | Path, strange: Collection[str] = ()) -> None:
    """Refuses a model with a weight that is no finite number: it would answer with no numbers.

    Arguments
    ---------
    model : nn.Module
        Loaded, its backbones included.
    folder : str or Path
        The model folder, for the message.
    strange : collection of str
        Backbones that a stranger may have made; the weights of others are known by their fingerprint.

    Raises
    ------
    CheckpointError
        Names the tensor.

    Example
    -------
    >>> check_finite(nn.Linear(2, 2), "model")
    >>> check_finite(nn.ParameterList([torch.tensor([1.0, float("nan")])]), "model")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: model: weights are not finite (0); the folder is damaged
    """
    for name, tensor in (*model.named_parameters(), *branch_state(model).items()):
        if _backbone_of(name) in (None, *strange) and tensor.is_floating_point() and tensor.numel():
            bounds = torch.stack(tensor.detach().aminmax())  # not a number, where any is; needs no memory
            if not bounds.isfinite().all():
                raise CheckpointError(f"{folder}: weights are not finite ({name}); the folder is damaged")


def _backbone_of(name: str) -> str | None:
    """The backbone that a model's tensor belongs to; None for a trained one."""
    if name.startswith("encoder."):
        return "encoder"
    if name.startswith("decoder.llm.") and LORA not in name:
        return "llm"
    return "recognizer" if ".recognizer." in name else None


def read_tensors(
    path: str | Path, expected: Mapping[str, Tensor], left_out: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Reads a safetensors file that takes the place of certain tensors.

    Arguments
    ---------
    path : str or Path
        The file.
    expected : mapping of str to Tensor
        Whose names, shapes and kinds of numbers it must have.
    left_out : tuple of str
        Beginnings of names that are not read.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    CheckpointError
        If it is missing or broken, or differs.

    Example
    -------
    >>> read_tensors("nowhere/model.safetensors", {})
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: nowhere/model.safetensors: cannot be read (...); the folder is not complete
    """
    shapes = {name: shape for name, shape in tensor_shapes(path).items() if not name.startswith(left_out)}
    check_shapes(shapes, expected, str(path))
    found = {name: tensor for name, tensor in load_file(path).items() if name in shapes}
    kinds = [{name: one.is_floating_point() for name, one in tensors.items()} for tensors in (found, expected)]
    if different := [name for name in found if kinds[0][name] != kinds[1][name]]:
        raise CheckpointError(f"{path}: {different[0]} is of type {found[different[0]].dtype}; download it again")
    return found


def load_branches(model: nn.Module, path: str | Path, new_branches: Collection[str] = ()) -> None:
    """Loads branches and adapters, but for new ones; raises CheckpointError if names or shapes differ."""
    new = tuple(f"branches.{name}." for name in new_branches)
    expected = {name: tensor for name, tensor in branch_state(model).items() if not name.startswith(new)}
    found = read_tensors(path, expected, new)
    model.load_state_dict(found, strict=False)  # LoRA is in the adapter folder; names were checked


def load_adapter(model: nn.Module, path: str | Path) -> None:
    """Loads the decoder's LoRA; raises CheckpointError if names or shapes differ."""
    path = Path(path) / ADAPTER_WEIGHTS
    found = read_tensors(path, adapter_state(model))
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model.decoder.llm, found)
