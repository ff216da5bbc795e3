"""Compares the sizes that a model folder asks for with its weight files, before anything is built with memory.

The whole model is built on torch's meta device, where a tensor has a shape and no content. The shapes of the trained
parts have to be those of the weight files' headers; backbones may not need more numbers than their files hold. The
modules are counted while they are built, since each takes time and memory of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.enclosed import NAMES
from speechbrain_xser.model_folder.locate import ADAPTER, ADAPTER_WEIGHTS, BRANCH_WEIGHTS, backbone_folder
from speechbrain_xser.model_folder.settings import backbones, building, model_of, sourced
from speechbrain_xser.model_folder.weights import adapter_state, branch_state, parts_of
from speechbrain_xser.utils.differences import check_shapes
from speechbrain_xser.utils.tensor_headers import tensor_shapes

MOST_MODULES = 30_000  # the largest open LLMs have a few thousand
MOST_BUFFERED = 1 << 26  # numbers that a model computes for itself, as tables of positions
SLACK = 1 << 20  # numbers of weights that a checkpoint may lack, as those for masking
PACKED = 2  # numbers that a byte of quantised weights holds
WITHOUT_WEIGHTS = {"load_weights": False}
LLM_ALONE = {"quantization": None, "fused_kernels": False, "checkpointing": False}  # shapes are the same without


def check_sizes(
    settings: Mapping[str, object],
    folder: str | Path,
    strange: Collection[str] = NAMES,
    encoder: SpeechEncoder | None = None,
) -> None:
    """Refuses a folder whose settings and configurations do not fit its weight files.

    Arguments
    ---------
    settings : mapping
        Checked, with the places of the backbones.
    folder : str or Path
        The model folder.
    strange : collection of str
        Backbones that a stranger may have made; others are not compared, since they may be quantised in any way.
    encoder : SpeechEncoder, optional
        In place of one that the settings cannot name.

    Raises
    ------
    CheckpointError
        If the trained parts have other names or shapes than the weight files, or no model can be built.
    BackboneError
        If a backbone needs more than its files hold.

    Example
    -------
    >>> from speechbrain_xser import packaged_model
    >>> from speechbrain_xser.model_folder.settings import read_settings
    >>> folder = packaged_model("tiny")
    >>> settings = read_settings(Path(folder, "settings.json"))
    >>> check_sizes(settings, folder)
    >>> settings["model"]["branches"]["content"]["adapter"]["hidden"] = 10**7
    >>> check_sizes(settings, folder)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...model.safetensors does not fit this model: ...
    """
    with building(folder), counted_modules(folder), torch.device("meta"):
        blueprint = model_of({**settings, "model": _unweighted(settings["model"])}, encoder)
    for name, source in backbones(settings["model"]).items():
        if name in strange:
            _check_backbone(name, _backbone(blueprint, name), Path(backbone_folder(*source)))
    _check_part(Path(folder, BRANCH_WEIGHTS), branch_state(blueprint))
    if "adapter" in parts_of(settings["model"]):
        _check_part(Path(folder, ADAPTER, ADAPTER_WEIGHTS), adapter_state(blueprint))


@contextmanager
def counted_modules(folder: str | Path) -> Iterator[None]:
    """Stops this thread from building more modules than any model has.

    Raises
    ------
    BackboneError
        Names the folder.

    Example
    -------
    >>> with counted_modules("model"):
    ...     nn.Sequential(*(nn.ReLU() for _ in range(40000)))
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BackboneError: model: asks for more than 30000 modules, which no model has
    """
    builder, left = threading.get_ident(), MOST_MODULES

    def count(*_: object) -> None:
        nonlocal left
        left -= threading.get_ident() == builder
        if left < 0:
            raise BackboneError(f"{folder}: asks for more than {MOST_MODULES} modules, which no model has")

    hook = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _unweighted(model: Mapping[str, object]) -> dict:
    """The lobes, each backbone from its configuration alone."""
    lobes = deepcopy(dict(model))
    for part in sourced(lobes).values():
        part |= WITHOUT_WEIGHTS | {key: value for key, value in LLM_ALONE.items() if key in part}
    return lobes


def _backbone(model: ExplainableSER, name: str) -> nn.Module:
    """A backbone within a model; LoRA beside it is not counted."""
    if name == "recognizer":
        return next(one for one in model.modules() if hasattr(one, "whisper"))
    return model.encoder if name == "encoder" else model.decoder


def _check_backbone(name: str, model: nn.Module, folder: Path) -> None:
    """Compares a backbone's numbers with those in its files."""
    files = sorted(folder.glob("*.safetensors"))
    shapes = [shape for path in files for shape in tensor_shapes(path).values()]
    held = sum(map(prod, shapes)) * PACKED if files else sum(path.stat().st_size for path in folder.glob("*.bin"))
    needed = sum(tensor.numel() for key, tensor in model.named_parameters() if ".lora_" not in key)
    buffered = sum(tensor.numel() for tensor in model.buffers())
    if needed > held + SLACK or buffered > MOST_BUFFERED:
        raise BackboneError(
            f"{name} {str(folder)!r}: config.json asks for {needed} weights and {buffered} numbers beside them, but "
            f"its files hold {held}; it is not the model that its config.json describes"
        )


def _check_part(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Compares a trained part with its file."""
    check_shapes(tensor_shapes(path), expected, str(path))
