"""Puts a feature cache in front of a model's encoder, under the fingerprint of its backbone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.cache import CachedEncoder, copying_pays
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.metadata import describe_backbone
from speechbrain_xser.model_folder.settings import backbones

logger = logging.getLogger(__name__)


def keep_features(model: ExplainableSER, folder: str | Path, lobes: Mapping[str, Mapping], device: str = "cpu") -> None:
    """Lets a model's frozen encoder process each clip only once, unless its GPU computes faster than the host copies.

    Arguments
    ---------
    model : ExplainableSER
        Its encoder is replaced by a :class:`CachedEncoder` around it.
    folder : str or Path
        Where the layers are kept; runs may share it.
    lobes : mapping
        The model's, as plain values: they name the backbone and its type.
    device : str
        Where the encoder runs.

    Raises
    ------
    BackboneError
        If the backbone is not on this machine, so that its fingerprint cannot be taken.
    SettingsError
        If the encoder is not named by a source.

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_lobes, tiny_model
    >>> from speechbrain_xser.model_folder.settings import complete_settings
    >>> place = getfixture("tmp_path")
    >>> model = tiny_model(place)
    >>> keep_features(model, place / "features", complete_settings({"model": tiny_lobes(place)})["model"])
    >>> type(model.encoder).__name__
    'CachedEncoder'
    """
    if "encoder" not in (found := backbones(lobes)):
        raise SettingsError("feature_cache needs an encoder with a source: give null for an encoder of your own")
    place = torch.device(device)
    capability = torch.cuda.get_device_capability(place)[0] if place.type == "cuda" else 0
    if not copying_pays(model.encoder, place, capability):
        logger.warning("feature_cache is not used: on %s the encoder is faster than copying its layers.", device)
        return
    known, encoder = describe_backbone(*found["encoder"]).fingerprint, lobes["encoder"]
    name = f"{known[:16]}-{encoder['dtype']}"
    if (seconds := encoder.get("pad_to_seconds")) is not None:
        name += f"-{seconds:g}s"
    if (hertz := encoder.get("band_hertz")) is not None:
        name += f"-{hertz:g}hz"
    if (window := encoder.get("window_seconds")) is not None:
        name += f"-in-{window:g}s"
    model.encoder = CachedEncoder(model.encoder, folder, name)
