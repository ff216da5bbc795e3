"""Reads a trained model folder back into a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from speechbrain_xser.errors import CheckpointError, UnsafeModelError, XserError
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.enclosed import with_enclosed
from speechbrain_xser.model_folder.locate import HYPERPARAMS, METADATA
from speechbrain_xser.model_folder.metadata import check_backbone, read_metadata
from speechbrain_xser.model_folder.safe_yaml import load_safely, read_text
from speechbrain_xser.model_folder.settings import backbones, checked_parts
from speechbrain_xser.model_folder.weights import FILE_NAME, FolderPretrainer
from speechbrain_xser.utils.memory import is_out_of_memory


def read_model_folder(
    folder: str | Path,
    overrides: dict | None = None,
    hparams_file: str = HYPERPARAMS,
    arguments: Mapping[str, object] | None = None,
) -> tuple[ExplainableSER, dict]:
    """Builds the model of a trained folder and loads its weights, strictly.

    Arguments
    ---------
    folder : str or Path
        A local model folder.
    overrides : dict, optional
        The caller's own values for keys of the YAML.
    hparams_file : str
        Name of the YAML inside the folder.
    arguments : mapping, optional
        Arguments of ``build_model`` that go over the folder's own, for another use of the same model.

    Returns
    -------
    tuple of (ExplainableSER, dict)
        The model on the CPU, and the folder's hyperparameters.

    Raises
    ------
    UnsafeModelError
        If the YAML asks for anything outside the allow-list, or lacks a key.
    CheckpointError
        If weights are missing, broken, or of other names or shapes.
    BackboneError
        If a backbone cannot be found, or is not the one that the folder was trained with.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.model_folder.save import write_model_folder
    >>> from speechbrain_xser.testing import tiny_model
    >>> place = tempfile.mkdtemp()
    >>> arguments = {"latent": 8, "adapter_hidden": 16, "llm_dtype": "float32", "max_new_tokens": 8}
    >>> model = tiny_model(place, **arguments)
    >>> arguments |= {"encoder_source": f"{place}/encoder", "llm_source": f"{place}/llm"}
    >>> same, hparams = read_model_folder(write_model_folder(f"{place}/trained", model, {"model": arguments}))
    >>> all(same.state_dict()[name].equal(tensor) for name, tensor in model.state_dict().items())
    True
    """
    path = Path(folder) / _plain_name(hparams_file)
    hparams = load_safely(read_text(path), overrides, str(path))
    factory, pretrainer = _located_parts(hparams, path)
    _check_backbones(folder, factory)
    model = _build(partial(factory, **(arguments or {})), path)
    pretrainer.load_into(model, folder)
    hparams["modules"] = {"model": factory}
    return model.eval(), hparams


def load_weights(model: ExplainableSER, folder: str | Path) -> None:
    """Loads the weights of a trained folder into a model that was built otherwise, strictly.

    Arguments
    ---------
    model : ExplainableSER
        Of the same shape, on the same backbones.
    folder : str or Path
        A local model folder.

    Raises
    ------
    UnsafeModelError, CheckpointError, BackboneError
        As :func:`read_model_folder`.
    """
    path = Path(folder) / HYPERPARAMS
    factory, pretrainer = _located_parts(load_safely(read_text(path), None, str(path)), path)
    _check_backbones(folder, factory)
    pretrainer.load_into(model, folder)


def _located_parts(hparams: dict, path: Path) -> tuple[partial, FolderPretrainer]:
    """The parts of loaded hyperparameters; backbones inside the folder by where they lie."""
    factory, pretrainer = checked_parts(hparams, path)
    return partial(factory.func, **with_enclosed(factory.keywords, path.parent)), pretrainer


def _check_backbones(folder: str | Path, factory: partial) -> None:
    """The backbones that a folder names are there, and those it was trained with."""
    metadata = read_metadata(Path(folder) / METADATA)
    for name, source in backbones(factory.keywords).items():
        if name not in metadata.backbones:
            raise CheckpointError(f"{folder}/{METADATA}: names no {name}; the folder is not complete")
        check_backbone(name, metadata.backbones[name], *source)


def _build(factory: Callable[[], ExplainableSER], path: Path) -> ExplainableSER:
    """The model with untrained branches; values that no model can have become one error."""
    try:
        return factory()
    except XserError:
        raise
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"{path}: no model can be built from it ({error})") from error


def _plain_name(name: str) -> str:
    if not FILE_NAME.fullmatch(name.removesuffix(".yaml")) or not name.endswith(".yaml"):
        raise UnsafeModelError(f"hparams_file is {name!r}; expected a plain name inside the folder, ending in .yaml")
    return name
