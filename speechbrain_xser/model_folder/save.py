"""Writes a trained model folder: the trained parts, and how to find and recognise the frozen ones.

====================== =================================================================
settings.json          what the model is built from: its lobes and their arguments
hyperparams.yaml       the same for SpeechBrain, as ``modules`` and ``pretrainer``
model.safetensors      branches and adapters
adapter/               the decoder's LoRA, as a folder that plain ``peft`` loads
metadata.json          the backbones' names, revisions and fingerprints; the training run; checksums of the weights
mean_voice.safetensors the training set's mean voice, where it is known
domain.safetensors     what tells clips like the training set's from others; written later
reliability.json       how often answers of a certain sureness were right; written later
README.md              the model card
====================== =================================================================

The folder is written under another name and moved into place at the end, so it exists completely or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.card import model_card
from speechbrain_xser.model_folder.hyperparams import write_settings
from speechbrain_xser.model_folder.known_sources import remember_sources
from speechbrain_xser.model_folder.lobes import CUSTOM
from speechbrain_xser.model_folder.locate import ADAPTER, BRANCH_WEIGHTS, CARD, METADATA, WEIGHT_FILES
from speechbrain_xser.model_folder.mean_voice import MeanVoice, write_mean_voice
from speechbrain_xser.model_folder.metadata import Metadata, describe_backbone, write_metadata
from speechbrain_xser.model_folder.settings import OWN, backbones, complete_settings, plain_values
from speechbrain_xser.model_folder.weights import adapter_state, branch_state
from speechbrain_xser.utils.checksums import checksums
from speechbrain_xser.utils.folders import written_folder
from speechbrain_xser.versions import VERSION


def write_model_folder(
    folder: str | Path,
    model: ExplainableSER,
    config: Mapping[str, object],
    card: str | None = None,
    voice: MeanVoice | None = None,
) -> str:
    """Writes a trained model folder, atomically; a folder already in its place is replaced.

    Arguments
    ---------
    folder : str or Path
        The folder to write.
    model : ExplainableSER
        The trained model, with LoRA not merged.
    config : dict
        "model": the arguments of ``build_model`` that the model was built with; the rest as
        :func:`~speechbrain_xser.model_folder.settings.complete_settings` takes it, and "training" (plain values about
        the run).
    card : str, optional
        Text of README.md; written from the metadata by default.
    voice : MeanVoice, optional
        Of the training set.

    Returns
    -------
    str
        The folder.

    Raises
    ------
    CheckpointError
        If the folder cannot be written (names path and remedy), or the values do not describe this model.
    BackboneError
        If a backbone is not on this machine, so that its fingerprint cannot be taken.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_lobes, tiny_model
    >>> place = Path(tempfile.mkdtemp())
    >>> model, config = tiny_model(place), tiny_lobes(place)
    >>> folder = write_model_folder(place / "trained", model, {"model": config})
    >>> sorted(path.name for path in Path(folder).iterdir())
    ['README.md', 'adapter', 'hyperparams.yaml', 'metadata.json', 'model.safetensors', 'settings.json']
    """
    settings, training = complete_settings(config), plain_values(config.get("training", {}))
    with written_folder(folder) as staging:
        _write_files(staging, model, settings, training, card, voice)
    return str(folder)


def _write_files(
    staging: Path, model: ExplainableSER, settings: dict, training: dict, card: str | None, voice: MeanVoice | None
) -> None:
    lobes = settings["model"]
    lora = lobes["decoder"].get("lora")
    if lobes["encoder"] != CUSTOM and not isinstance(model.encoder, FrozenEncoder):
        raise CheckpointError(
            f"The encoder is a {type(model.encoder).__name__}, which {lobes['encoder']['type']} is not: "
            "give the model's own encoder in the settings, and hand it over when the folder is loaded"
        )
    if bool(lora) != bool(adapter_state(model)):
        raise CheckpointError("model and config differ in LoRA; write the folder before merging, with the right config")
    write_settings(staging, settings)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in branch_state(model).items()}
    save_file(tensors, staging / BRANCH_WEIGHTS, metadata={"format": "pt"})
    if lora:
        _write_adapter(staging / ADAPTER, model, lobes["decoder"])
    if voice is not None:
        write_mean_voice(staging, voice)
    described = {name: describe_backbone(*source) for name, source in backbones(lobes).items()}
    metadata = Metadata(VERSION, described, training, checksums(staging, WEIGHT_FILES))
    write_metadata(staging / METADATA, metadata)
    remember_sources(backbones(lobes))
    text = card or model_card(metadata, **{key: settings[key] for key in OWN}, has_lora=bool(lora))
    (staging / CARD).write_text(text, encoding="utf-8")


def _write_adapter(folder: Path, model: ExplainableSER, decoder: dict) -> None:
    """PEFT's own folder, which names the base by its source, not by where this machine keeps it."""
    model.decoder.save_adapter(folder)
    (folder / CARD).unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields |= {"base_model_name_or_path": decoder["source"], "revision": decoder["revision"]}
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")
