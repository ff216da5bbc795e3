"""Writes a trained model folder: what trained, and how to find and recognise what did not.

====================== =================================================================
hyperparams.yaml       ``modules`` and ``pretrainer``, and the values they are built from
model.safetensors      branches and adapters
adapter/               the decoder's LoRA, as a folder that plain ``peft`` loads
metadata.json          the backbones' names, revisions and fingerprints; the training run
mean_voice.safetensors the training set's mean voice, where it is known
README.md              the model card
====================== =================================================================

The folder is written beside its place and moved there at the end, so that it is there completely or not at all.
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
from speechbrain_xser.model_folder.locate import ADAPTER, BRANCH_WEIGHTS, CARD, HYPERPARAMS, METADATA
from speechbrain_xser.model_folder.mean_voice import MeanVoice, write_mean_voice
from speechbrain_xser.model_folder.metadata import Metadata, describe_backbone, write_metadata
from speechbrain_xser.model_folder.settings import SETTINGS, backbones, hyperparams_text, plain_config
from speechbrain_xser.model_folder.weights import adapter_state, branch_state
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
        Where it shall be.
    model : ExplainableSER
        Trained, its LoRA not merged.
    config : dict
        "model": the arguments of ``build_model`` that the model was built with; the rest as
        :func:`~speechbrain_xser.model_folder.settings.plain_config` takes it.
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
    >>> from speechbrain_xser.testing import tiny_model
    >>> place = Path(tempfile.mkdtemp())
    >>> arguments = {"latent": 8, "adapter_hidden": 16, "llm_dtype": "float32", "max_new_tokens": 8}
    >>> model = tiny_model(place, **arguments)
    >>> arguments |= {"encoder_source": str(place / "encoder"), "llm_source": str(place / "llm")}
    >>> folder = write_model_folder(place / "trained", model, {"model": arguments})
    >>> sorted(path.name for path in Path(folder).iterdir())
    ['README.md', 'adapter', 'hyperparams.yaml', 'metadata.json', 'model.safetensors']
    """
    config = plain_config(config)
    with written_folder(folder) as staging:
        _write_files(staging, model, config, card, voice)
    return str(folder)


def _write_files(
    staging: Path, model: ExplainableSER, config: dict, card: str | None, voice: MeanVoice | None
) -> None:
    arguments = config["model"]
    if arguments["encoder_source"] is not None and not isinstance(model.encoder, FrozenEncoder):
        raise CheckpointError(
            f"The encoder is a {type(model.encoder).__name__}, which {arguments['encoder_source']!r} does not name: "
            "give None as encoder_source, and hand the encoder over when the folder is loaded"
        )
    if bool(arguments["lora"]) != bool(adapter_state(model)):
        raise CheckpointError("model and config differ in LoRA; write the folder before merging, with the right config")
    (staging / HYPERPARAMS).write_text(hyperparams_text(config), encoding="utf-8")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in branch_state(model).items()}
    save_file(tensors, staging / BRANCH_WEIGHTS, metadata={"format": "pt"})
    if arguments["lora"]:
        _write_adapter(staging / ADAPTER, model, arguments)
    if voice is not None:
        write_mean_voice(staging, voice)
    described = {name: describe_backbone(*source) for name, source in backbones(arguments).items()}
    metadata = Metadata(VERSION, described, config["training"])
    write_metadata(staging / METADATA, metadata)
    text = card or model_card(metadata, **{key: config[key] for key in SETTINGS})
    (staging / CARD).write_text(text, encoding="utf-8")


def _write_adapter(folder: Path, model: ExplainableSER, arguments: dict) -> None:
    """PEFT's own folder, which names the base by its source, not by where this machine keeps it."""
    model.decoder.save_adapter(folder)
    (folder / CARD).unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields |= {"base_model_name_or_path": arguments["llm_source"], "revision": arguments["llm_revision"]}
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")
