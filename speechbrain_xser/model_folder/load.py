"""Reads a trained model folder back into a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError, XserError
from speechbrain_xser.lobes.states import SpeechEncoder, check_max_seconds
from speechbrain_xser.model import ExplainableSER, recognizers
from speechbrain_xser.model_folder.enclosed import with_enclosed
from speechbrain_xser.model_folder.hyperparams import read_hyperparams
from speechbrain_xser.model_folder.lobes import CUSTOM
from speechbrain_xser.model_folder.locate import ADAPTER, HYPERPARAMS, METADATA, SETTINGS
from speechbrain_xser.model_folder.metadata import check_backbone, read_metadata
from speechbrain_xser.model_folder.settings import backbones, model_of, read_settings
from speechbrain_xser.model_folder.weight_checksums import check_weight_files
from speechbrain_xser.model_folder.weights import FILE_NAME, FolderPretrainer, load_adapter, parts_of
from speechbrain_xser.utils.out_of_memory import is_out_of_memory

ENCODER_WANTED = (
    "the encoder of this model is of a class of your own, which a folder cannot hold and a command cannot take. In "
    "Python, hand one over as custom_encoder to ExplainableEmotionRecognizer.from_hparams, "
    "speechbrain_xser.model_folder.release.release_folder or speechbrain_xser.probing.model_probes.probe_model."
)


def read_model_folder(
    folder: str | Path,
    overrides: dict | None = None,
    hparams_file: str | None = None,
    decoder: Mapping[str, object] | None = None,
    encoder: SpeechEncoder | None = None,
) -> tuple[ExplainableSER, dict]:
    """Builds the model of a trained folder and loads its weights, strictly.

    Arguments
    ---------
    folder : str or Path
        A local model folder.
    overrides : dict, optional
        The caller's own values for keys of the YAML.
    hparams_file : str, optional
        Name of a YAML inside the folder, which is read instead of its ``settings.json``.
    decoder : mapping, optional
        Arguments that override those of the folder's decoder, for another use of the same model.
    encoder : SpeechEncoder, optional
        The encoder of a model that was trained with one of a class of your own.

    Returns
    -------
    tuple of (ExplainableSER, dict)
        The model on the CPU, and the folder's settings, the lobes under "model".

    Raises
    ------
    UnsafeModelError
        If the folder asks for anything outside the allow-list, or lacks a key.
    CheckpointError
        If weights are missing or broken, or have other names or shapes.
    BackboneError
        If a backbone cannot be found, or is not the one that the folder was trained with; or if the model's encoder is
        of a class of your own and none was given.
    SettingsError
        If the encoder does not accept clips of the model's ``max_seconds``.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.model_folder.save import write_model_folder
    >>> from speechbrain_xser.testing import tiny_lobes, tiny_model
    >>> place = tempfile.mkdtemp()
    >>> model, config = tiny_model(place), tiny_lobes(place)
    >>> same, _ = read_model_folder(write_model_folder(f"{place}/trained", model, {"model": config}))
    >>> all(same.state_dict()[name].equal(tensor) for name, tensor in model.state_dict().items())
    True
    """
    settings, hparams, pretrainer = _read(Path(folder), overrides, hparams_file)
    if encoder is None and settings["model"]["encoder"] == CUSTOM:
        raise BackboneError(f"{folder}: {ENCODER_WANTED}")
    _check_backbones(folder, settings)
    model = _build(settings, encoder, decoder or {}, folder)
    for part in (model.encoder, *recognizers(model)):
        check_max_seconds(part, settings["max_seconds"])
    pretrainer.load_into(model, folder)
    return model.eval(), {**hparams, **settings}


def load_weights(model: ExplainableSER, folder: str | Path) -> None:
    """Strictly loads the weights of a trained folder into a model that was built elsewhere.

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
    settings, _, pretrainer = _read(Path(folder))
    _check_backbones(folder, settings)
    pretrainer.load_into(model, folder)


def load_lora(model: ExplainableSER, folder: str | Path) -> None:
    """Strictly loads only the LoRA of a trained folder, whose branches may have other shapes.

    Arguments
    ---------
    model : ExplainableSER
        With LoRA of the same shape.
    folder : str or Path
        A local model folder.

    Raises
    ------
    UnsafeModelError, CheckpointError, BackboneError
        As :func:`read_model_folder`; also if the folder has no LoRA, or its LLM is not there.
    """
    settings, *_ = _read(Path(folder))
    if "adapter" not in parts_of(settings["model"]):
        raise CheckpointError(f"{folder}: has no LoRA.")
    _check_backbones(folder, settings, ("llm",))
    load_adapter(model, Path(folder) / ADAPTER)


def _read(
    folder: Path, overrides: dict | None = None, hparams_file: str | None = None
) -> tuple[dict, dict, FolderPretrainer]:
    """A folder's settings with the places of its backbones, its YAML's other values, and what loads the weights."""
    if overrides or hparams_file:
        settings, hparams, pretrainer = read_hyperparams(folder / _plain_name(hparams_file or HYPERPARAMS), overrides)
    else:
        settings, hparams = read_settings(folder / SETTINGS), {}
        pretrainer = FolderPretrainer(parts_of(settings["model"]))
    return {**settings, "model": with_enclosed(settings["model"], folder)}, hparams, pretrainer


def _check_backbones(folder: str | Path, settings: Mapping, names: Collection[str] | None = None) -> None:
    """Checks that the weight files are whole, and that the backbones are here and those of the training."""
    check_weight_files(folder)
    metadata, found = read_metadata(Path(folder) / METADATA), backbones(settings["model"])
    for name, source in ((name, source) for name, source in found.items() if names is None or name in names):
        if name not in metadata.backbones:
            raise CheckpointError(f"{folder}/{METADATA}: names no {name}; the folder is not complete")
        check_backbone(name, metadata.backbones[name], *source)


def _build(settings: Mapping, encoder: SpeechEncoder | None, decoder: Mapping, folder: str | Path) -> ExplainableSER:
    """Builds the model with untrained branches; any invalid value becomes the same kind of error."""
    try:
        return model_of(settings, encoder, **decoder)
    except XserError:
        raise
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"{folder}: no model can be built from its settings ({error})") from error


def _plain_name(name: str) -> str:
    if not FILE_NAME.fullmatch(name.removesuffix(".yaml")) or not name.endswith(".yaml"):
        raise UnsafeModelError(f"hparams_file is {name!r}; expected a plain name inside the folder, ending in .yaml")
    return name
