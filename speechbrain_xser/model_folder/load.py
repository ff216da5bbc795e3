"""Reads a trained model folder back into a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from speechbrain_xser.lobes.states import SpeechEncoder, check_max_seconds
from speechbrain_xser.model import ExplainableSER, recognizers
from speechbrain_xser.model_folder.backbone_files import check_backbone_files
from speechbrain_xser.model_folder.blueprint import check_sizes
from speechbrain_xser.model_folder.enclosed import with_enclosed
from speechbrain_xser.model_folder.hyperparams import check_agreement, overridden
from speechbrain_xser.model_folder.known_sources import check_sources, strange_sources
from speechbrain_xser.model_folder.lobes import CUSTOM
from speechbrain_xser.model_folder.locate import ADAPTER, METADATA, SETTINGS, backbone_folder
from speechbrain_xser.model_folder.metadata import check_backbone, read_metadata
from speechbrain_xser.model_folder.plain_files import check_files
from speechbrain_xser.model_folder.settings import backbones, building, model_of, read_settings
from speechbrain_xser.model_folder.weight_checksums import check_weight_files
from speechbrain_xser.model_folder.weights import FILE_NAME, FolderPretrainer, check_finite, load_adapter, parts_of
from speechbrain_xser.utils.sources import PACKAGED

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
    trust_remote_code: bool = False,
) -> tuple[ExplainableSER, dict]:
    """Builds the model of a trained folder and loads its weights, strictly.

    Arguments
    ---------
    folder : str or Path
        A local model folder.
    overrides : dict, optional
        The caller's own values for keys of the YAML.
    hparams_file : str, optional
        Name of a YAML inside the folder, which has to say the same as ``settings.json``: that alone decides.
    decoder : mapping, optional
        Arguments that override those of the folder's decoder, for another use of the same model.
    encoder : SpeechEncoder, optional
        The encoder of a model that was trained with one of a class of your own.
    trust_remote_code : bool
        Whether the Python that lies beside an LLM inside the folder is run.

    Returns
    -------
    tuple of (ExplainableSER, dict)
        The model on the CPU, and the folder's settings with the caller's own values, the lobes under "model".

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
    settings, strange = _read(Path(folder), overrides, hparams_file, trust_remote_code)
    if encoder is None and settings["model"]["encoder"] == CUSTOM:
        raise BackboneError(f"{folder}: {ENCODER_WANTED}")
    _check_backbones(folder, settings, strange)
    trusted = _trusted(settings, folder) if trust_remote_code else settings
    if not _shipped(folder):  # the package's own models are as safe as its code, and building twice takes two seconds
        check_sizes(trusted, folder, strange, encoder)
    with building(folder):
        model = model_of(trusted, encoder, **(decoder or {}))
    for part in (model.encoder, *recognizers(model)):
        check_max_seconds(part, settings["max_seconds"])
    FolderPretrainer(parts_of(settings["model"])).load_into(model, folder)
    check_finite(model, folder, strange)
    return model.eval(), settings


def load_weights(model: ExplainableSER, folder: str | Path, new_branches: Collection[str] = ()) -> None:
    """Strictly loads the weights of a trained folder into a model that was built elsewhere.

    Arguments
    ---------
    model : ExplainableSER
        Of the same shape, on the same backbones.
    folder : str or Path
        A local model folder.
    new_branches : collection of str
        Branches that keep their own weights; the folder's may have any shape, or be absent.

    Raises
    ------
    UnsafeModelError, CheckpointError, BackboneError
        As :func:`read_model_folder`.
    """
    settings, strange = _read(Path(folder))
    _check_backbones(folder, settings, strange)
    FolderPretrainer(parts_of(settings["model"])).load_into(model, folder, new_branches)


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
    settings, strange = _read(Path(folder))
    if "adapter" not in parts_of(settings["model"]):
        raise CheckpointError(f"{folder}: has no LoRA.")
    _check_backbones(folder, settings, strange, ("llm",))
    load_adapter(model, Path(folder) / ADAPTER)


def _shipped(folder: str | Path) -> bool:
    return Path(folder).resolve().parent == PACKAGED.resolve()


def _trusted(settings: Mapping, folder: str | Path) -> dict:
    """Settings whose LLM may bring classes of its own, if it lies inside the folder."""
    lobes = settings["model"]
    source = lobes["decoder"].get("source")
    own = {"trust_remote_code": True} if source is not None and Path(source).parent == Path(folder) else {}
    return {**settings, "model": {**lobes, "decoder": {**lobes["decoder"], **own}}}


def _read(
    folder: Path, overrides: dict | None = None, hparams_file: str | None = None, trust_remote_code: bool = False
) -> tuple[dict, list[str]]:
    """A folder's settings with the caller's own values and the places of its backbones, and which are a stranger's."""
    check_files(folder)
    settings = read_settings(folder / SETTINGS)
    if hparams_file:
        check_agreement(folder / _plain_name(hparams_file), settings)
    settings = overridden(settings, overrides)
    sources, given = backbones(settings["model"]), overrides or ()
    check_sources(sources, folder, given)
    located = {**settings, "model": with_enclosed(settings["model"], folder, trust_remote_code)}
    return located, strange_sources(sources, given)


def _check_backbones(
    folder: str | Path, settings: Mapping, strange: Collection[str], names: Collection[str] | None = None
) -> None:
    """Checks that the weight files are whole, and that the backbones are here and those of the training."""
    check_weight_files(folder)
    metadata, found = read_metadata(Path(folder) / METADATA), backbones(settings["model"])
    for name, source in ((name, source) for name, source in found.items() if names is None or name in names):
        if name not in metadata.backbones:
            raise CheckpointError(f"{folder}/{METADATA}: names no {name}; the folder is not complete")
        if name in strange:
            check_backbone_files(backbone_folder(*source))
        check_backbone(name, metadata.backbones[name], *source)


def _plain_name(name: str) -> str:
    if not FILE_NAME.fullmatch(name.removesuffix(".yaml")) or not name.endswith(".yaml"):
        raise UnsafeModelError(f"hparams_file is {name!r}; expected a plain name inside the folder, ending in .yaml")
    return name
