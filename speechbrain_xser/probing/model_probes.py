"""Probes of a trained folder."""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.errors import ProbeError
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.model_folder.feature_cache import keep_features
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.locate import model_folder
from speechbrain_xser.probing.latents import read_clips
from speechbrain_xser.probing.probes import Probe, probe_clips

TRAIN_CLIPS = 2000


def probe_model(
    source: str | Path,
    train: str,
    test: str,
    data_folder: str | None = None,
    clips: int = TRAIN_CLIPS,
    revision: str | None = None,
    feature_cache: str | Path | None = None,
    custom_encoder: SpeechEncoder | None = None,
) -> list[Probe]:
    """Probes the branches of a trained folder.

    Arguments
    ---------
    source : str or Path
        A trained folder, ``packaged:NAME`` or a hub id.
    train, test : str
        Manifests of different speakers.
    data_folder : str, optional
        What {data_root} in the manifests stands for.
    clips : int
        Training clips at most, spread over the manifest.
    revision : str, optional
        Full commit of a hub id.
    feature_cache : str or Path, optional
        A folder where a training kept the encoder's layers. It is no help for clips from which silence is cut.
    custom_encoder : SpeechEncoder, optional
        The encoder of a model that was trained with one of a class of your own.

    Returns
    -------
    list of Probe

    Raises
    ------
    ProbeError
        If there is nothing to probe.
    CheckpointError, BackboneError, UnsafeModelError
        As ``from_hparams`` raises them.
    """
    model, hparams = read_model_folder(model_folder(source, revision), encoder=custom_encoder)
    if feature_cache is not None:
        keep_features(model, feature_cache, hparams["model"])
    heard = [
        read_clips(model, manifest, data_folder, hparams["max_seconds"], limit, hparams["cut_silence"])
        for manifest, limit in ((train, clips), (test, None))
    ]
    if not all(heard):
        raise ProbeError(f"{train} or {test} has no clip that can be read.")
    return probe_clips(*heard)
