"""Puts a feature cache in front of a model's encoder, under the fingerprint of its backbone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.cache import CachedEncoder
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.metadata import describe_backbone
from speechbrain_xser.model_folder.settings import backbones


def keep_features(model: ExplainableSER, folder: str | Path, arguments: Mapping[str, object]) -> None:
    """Lets a model's frozen encoder hear each clip once.

    Arguments
    ---------
    model : ExplainableSER
        Its encoder is replaced by a :class:`CachedEncoder` around it.
    folder : str or Path
        Where the layers are kept; runs may share it.
    arguments : mapping
        Of ``build_model``: they name the backbone and its type.

    Raises
    ------
    BackboneError
        If the backbone is not on this machine, so that its fingerprint cannot be taken.
    SettingsError
        If the encoder is not named by a source.

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_model
    >>> place = getfixture("tmp_path")
    >>> model = tiny_model(place)
    >>> keep_features(model, place / "features", {"encoder_source": str(place / "encoder"), "llm_source": None})
    >>> type(model.encoder).__name__
    'CachedEncoder'
    """
    if arguments["encoder_source"] is None:
        raise SettingsError("feature_cache needs an encoder that encoder_source names; give null for a custom_encoder")
    known = describe_backbone(*backbones(arguments)["encoder"]).fingerprint
    name = f"{known[:16]}-{arguments.get('encoder_dtype', 'float32')}"
    if (seconds := arguments.get("encoder_pad_to_seconds")) is not None:
        name += f"-{seconds:g}s"
    model.encoder = CachedEncoder(model.encoder, folder, name)
