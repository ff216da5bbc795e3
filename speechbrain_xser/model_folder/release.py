"""Exports a trained folder for others, with LoRA merged into the LLM, the LLM inside the folder, and a model card.

The result works with ``from_hparams`` and as a hub repository. Only one copy of the LLM is in memory: its file is
mapped, its layers are changed in place one after another, and writing copies nothing (an LLM of 0.87 GB: 0.90 GB before
the merge, 1.82 GB at most, of which the libraries take 0.80 GB).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.errors import CheckpointError, SettingsError, XserError
from speechbrain_xser.lobes.backbone import load_backbone
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.model_folder.card import model_card, weights_licence
from speechbrain_xser.model_folder.domain_reference import read_domain, write_domain
from speechbrain_xser.model_folder.enclosed import (
    ALLOWED,
    CONFIG_FILES,
    INDEX,
    INSIDE,
    NAMES,
    PLACES,
    TOKENIZER_FILES,
    WEIGHTS,
    enclosed,
    with_enclosed,
)
from speechbrain_xser.model_folder.hyperparams import write_settings
from speechbrain_xser.model_folder.kept_reliability import read_reliability, write_reliability
from speechbrain_xser.model_folder.known_sources import check_sources
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.lobes import CUSTOM
from speechbrain_xser.model_folder.locate import (
    ADAPTER_FILES,
    BRANCH_WEIGHTS,
    CARD,
    FILES,
    METADATA,
    SETTINGS,
    WEIGHT_FILES,
    backbone_folder,
)
from speechbrain_xser.model_folder.mean_voice import MeanVoice, read_mean_voice, write_mean_voice
from speechbrain_xser.model_folder.metadata import Backbone, Metadata, check_backbone, read_metadata, write_metadata
from speechbrain_xser.model_folder.plain_files import check_files
from speechbrain_xser.model_folder.settings import OWN, backbones, read_settings
from speechbrain_xser.model_folder.weight_checksums import check_weight_files
from speechbrain_xser.utils.checksums import checksums
from speechbrain_xser.utils.folders import written_folder
from speechbrain_xser.utils.sources import fingerprint, is_gguf
from speechbrain_xser.versions import VERSION

SHARD = "4GB"  # size of one weights file, which must be sent again if the connection breaks
ATTRIBUTES = ".gitattributes"
LARGE_FILES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
ANYWHERE = {"quantization": None, "fused_kernels": False, "checkpointing": False}  # to merge exactly, on a CPU
OWN_ENCODER = "encoder of a class of your own, handed over as custom_encoder"


class Release(NamedTuple):
    """What was written."""

    folder: str
    merged: bool  # whether this export merged LoRA into the LLM's weights
    inside: tuple[str, ...]  # backbones that lie in the folder
    licence: str  # of the weights, as the hub names it
    needs: tuple[str, ...]  # what others need besides the folder, in words


class Trained(NamedTuple):
    """A trained folder that has been read."""

    folder: Path
    settings: dict  # as settings.json says them

    @property
    def lobes(self) -> dict:
        """The model's lobes, as plain values."""
        return self.settings["model"]

    @property
    def has_lora(self) -> bool:
        """Whether the folder holds LoRA apart from the LLM."""
        return self.lobes["decoder"].get("lora") is not None

    metadata: Metadata


def release_folder(
    source: str | Path,
    out: str | Path,
    merge: bool = True,
    with_encoder: bool = False,
    licence: str | None = None,
    corpora: Mapping[str, str | None] | None = None,
    voice: MeanVoice | None = None,
    custom_encoder: SpeechEncoder | None = None,
) -> Release:
    """Exports a trained folder, for use elsewhere and for the hub.

    Arguments
    ---------
    source : str or Path
        A trained folder on this machine.
    out : str or Path
        The target; an older release there is replaced, anything else is refused.
    merge : bool
        Whether LoRA is merged into the LLM's weights, which then lie in ``out/llm``; otherwise it stays an adapter of a
        base that is found by name.
    with_encoder : bool
        Whether the encoder is put into ``out/encoder``; otherwise it is found by name.
    licence : str, optional
        The hub's name of the weights' licence; by default what follows from the base.
    corpora : mapping of str to str or None, optional
        The licence of each training corpus, if the folder does not state it.
    voice : MeanVoice, optional
        Of the training set, instead of the folder's own.
    custom_encoder : SpeechEncoder, optional
        The encoder of a model that was trained with one of a class of your own; needed to merge LoRA. Its weights are
        exported as the folder has them. Its class is not, so users of the export must pass an encoder too.

    Returns
    -------
    Release

    Raises
    ------
    CheckpointError
        If ``out`` holds something else, or cannot be written; nothing half-written is left behind. Or if a weight file
        of the source is damaged.
    BackboneError, UnsafeModelError
        If the folder, or what it needs, cannot be used.
    SettingsError
        If an encoder of a class of your own is to be put into the folder.

    Example
    -------
    >>> from speechbrain_xser import packaged_model
    >>> release = release_folder(packaged_model(), getfixture("tmp_path") / "release", corpora={"EmoDB": "CC0 1.0"})
    >>> release.merged, release.inside, release.licence
    (True, ('llm',), 'apache-2.0')
    >>> sorted(path.name for path in Path(release.folder).iterdir())[:5]
    ['.gitattributes', 'README.md', 'hyperparams.yaml', 'llm', 'mean_voice.safetensors']
    """
    check_files(source)
    trained, out = read_trained(source), Path(out)
    check_place(trained.folder, out)
    check_weight_files(source)
    if with_encoder and trained.lobes["encoder"] == CUSTOM:
        raise SettingsError(f"{source}: the encoder is of a class of your own, which no folder can hold: leave it out")
    merging = merge and trained.has_lora
    inside = set(enclosed(trained.lobes, trained.folder)) | ({"llm"} if merging else set())
    inside |= {"encoder"} if with_encoder else set()
    training = _training(trained, inside, corpora)
    with written_folder(out) as staging:
        for name in sorted(inside):
            if not (name == "llm" and merging):
                _copy_backbone(trained, name, staging / name)
        if merging:
            _write_merged(trained, staging / "llm", custom_encoder)
        _copy_own(trained, staging, with_adapter=trained.has_lora and not merging)
        if (voice := voice or read_mean_voice(trained.folder)) is not None:
            write_mean_voice(staging, voice)
        if (domain := read_domain(trained.folder)) is not None:
            write_domain(staging, domain)
        if (reliability := read_reliability(trained.folder)) is not None:
            write_reliability(staging, reliability)
        metadata = _write_texts(staging, trained, inside, merging, training, licence, out.resolve().name)
    needs = (*_needs(metadata), *([OWN_ENCODER] if trained.lobes["encoder"] == CUSTOM else []))
    return Release(str(out), merging, tuple(sorted(inside)), licence or weights_licence(metadata), needs)


def read_trained(source: str | Path) -> Trained:
    """Reads what a trained folder says about itself, without its weights.

    Example
    -------
    >>> from speechbrain_xser import packaged_model
    >>> read_trained(packaged_model()).lobes["decoder"]["source"]
    'packaged:llama-tiny'
    """
    settings = read_settings(Path(source) / SETTINGS)
    check_sources(backbones(settings["model"]), source)
    return Trained(Path(source), settings, read_metadata(Path(source) / METADATA))


def check_place(source: Path, out: Path) -> None:
    """Refuses a target where other files would be lost.

    Raises
    ------
    CheckpointError
        If the target is a file, a folder of other things, or the trained folder itself.

    Example
    -------
    >>> check_place(Path("trained"), getfixture("tmp_path"))  # empty
    >>> (getfixture("tmp_path") / "thesis.txt").touch()
    >>> check_place(Path("trained"), getfixture("tmp_path"))
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...: holds thesis.txt, which does not belong to a trained folder; \
choose a new folder
    """
    source, out = source.resolve(), out.resolve()
    if out == source or out in source.parents or source in out.parents:
        raise CheckpointError(f"{out}: is, contains or is inside the exported folder; choose another place")
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out}: is a file; choose a new folder")
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()) if out.exists() else []
    strange = [name for name in found if name not in (ATTRIBUTES, *FILES) and not _is_backbone_file(name)]
    if strange:
        raise CheckpointError(
            f"{out}: holds {', '.join(strange[:3])}, which does not belong to a trained folder; choose a new folder"
        )
    if found and not _is_release(out):
        raise CheckpointError(f"{out}: holds {found[0]}, and is not an older export; choose a new folder")


def _is_release(folder: Path) -> bool:
    """Whether an export was written there."""
    try:
        read_metadata(folder / METADATA)
        attributes = (folder / ATTRIBUTES).read_text(encoding="utf-8")
    except (XserError, OSError, UnicodeDecodeError):
        return False
    return attributes == LARGE_FILES and (folder / SETTINGS).is_file()


def _is_backbone_file(name: str) -> bool:
    part, _, file = name.partition("/")
    return part in NAMES and (file in ALLOWED or WEIGHTS.fullmatch(file) is not None)


def _training(trained: Trained, inside: set[str], corpora: Mapping[str, str | None] | None) -> dict:
    """What is recorded about the training, and about the bases whose weights are now in the folder."""
    known = trained.metadata.training.get("bases", {})
    bases = {name: known.get(name, trained.metadata.backbones[name].source) for name in sorted(inside)}
    training = {**trained.metadata.training, "bases": bases}
    return training | ({"corpora": dict(corpora)} if corpora else {})


def _located(trained: Trained, name: str) -> tuple[str, str | None]:
    """Source and revision of a backbone, after a check that the folder was trained with it."""
    source = backbones(with_enclosed(trained.lobes, trained.folder))[name]
    check_backbone(name, trained.metadata.backbones[name], *source)
    return source


def _copy_backbone(trained: Trained, name: str, place: Path) -> None:
    """Copies the files of a backbone; an encoder with pickled weights is loaded and saved as safetensors."""
    source, revision = _located(trained, name)
    folder = Path(backbone_folder(source, revision))
    place.mkdir()
    for path in folder.iterdir():
        if path.name in (*CONFIG_FILES, *TOKENIZER_FILES, INDEX) or WEIGHTS.fullmatch(path.name):
            shutil.copyfile(path, place / path.name)
    if name == "encoder" and not list(place.glob("*.safetensors")):
        load_backbone(source, revision, trained.lobes["encoder"]["dtype"], True).save_pretrained(place)


def _write_merged(trained: Trained, place: Path, encoder: SpeechEncoder | None) -> None:
    """The LLM with LoRA merged, in the dtype that it answers in, and its unchanged tokenizer."""
    model, _ = read_model_folder(trained.folder, decoder=ANYWHERE, encoder=encoder)
    decoder = model.decoder
    decoder.merge()
    decoder.causal.save_pretrained(place, max_shard_size=SHARD)
    located = with_enclosed(trained.lobes, trained.folder)
    folder = Path(backbone_folder(*backbones(located)["llm"]))
    if is_gguf(folder):  # which holds its tokenizer
        decoder.tokenizer.save_pretrained(place)
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, place / name)


def _copy_own(trained: Trained, staging: Path, with_adapter: bool) -> None:
    """The trained tensors, unchanged."""
    if with_adapter:
        (staging / "adapter").mkdir()
    for name in (BRANCH_WEIGHTS, *(ADAPTER_FILES if with_adapter else ())):
        if not (trained.folder / name).is_file():
            raise CheckpointError(f"{trained.folder / name}: is missing; the folder is not complete")
        shutil.copyfile(trained.folder / name, staging / name)


def _write_texts(
    staging: Path, trained: Trained, inside: set[str], merging: bool, training: dict, licence: str | None, name: str
) -> Metadata:
    """Hyperparameters, metadata, card, and what the hub keeps as large files."""
    lobes = {name: dict(part) for name, part in trained.lobes.items()}
    for part in inside:
        lobes[PLACES[part]] |= {"source": INSIDE + part, "revision": None}
    if merging:
        lobes["decoder"]["lora"] = None
    settings = {**trained.settings, "model": lobes}
    described = {
        part: Backbone(INSIDE + part, None, fingerprint(staging / part)) if part in inside else backbone
        for part, backbone in trained.metadata.backbones.items()
    }
    metadata = Metadata(VERSION, described, training, checksums(staging, WEIGHT_FILES))
    write_settings(staging, settings)
    write_metadata(staging / METADATA, metadata)
    own, has_lora = {key: settings[key] for key in OWN}, bool(lobes["decoder"].get("lora"))
    card = model_card(metadata, **own, has_lora=has_lora, licence=licence, name=name)
    (staging / CARD).write_text(card, encoding="utf-8")
    (staging / ATTRIBUTES).write_text(LARGE_FILES, encoding="utf-8")
    return metadata


def _needs(metadata: Metadata) -> tuple[str, ...]:
    """What is found by name, and which names exist on this machine only."""
    outside = {part: found for part, found in metadata.backbones.items() if not found.source.startswith(INSIDE)}
    return tuple(
        f"{part} {found.source}" + (", a folder of this machine" if Path(found.source).is_absolute() else "")
        for part, found in outside.items()
    )
