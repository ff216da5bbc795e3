"""Loads a pretrained speech backbone and its feature extractor; refuses unknown and incomplete checkpoints."""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from transformers import (
    AutoConfig,
    Data2VecAudioModel,
    FeatureExtractionMixin,
    HubertModel,
    PreTrainedConfig,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMModel,
    WhisperFeatureExtractor,
)

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.grouped_conv import exact_grouped_convolutions
from speechbrain_xser.lobes.network import Network
from speechbrain_xser.lobes.wav2vec2 import Wav2Vec2Network
from speechbrain_xser.lobes.wav2vec2_bert import Wav2Vec2BertNetwork
from speechbrain_xser.lobes.whisper import WhisperEncoderAlone, WhisperNetwork
from speechbrain_xser.utils.locks import LOADING
from speechbrain_xser.utils.sources import loading, refuse_incomplete, resolve_source
from speechbrain_xser.utils.weight_reading import weights

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNUSED_WEIGHTS = {"masked_spec_embed"}  # used for masking in pre-training; fine-tuned checkpoints may lack it


class Family(NamedTuple):
    """The classes that belong to a ``model_type``."""

    model: type[nn.Module]  # of transformers
    extractor: type[FeatureExtractionMixin]  # that reads the checkpoint's preprocessor_config.json
    network: type[Network]  # takes the model and the extractor
    prefixes: tuple[str, ...] = ()  # of the model's weights in a checkpoint that holds others too


FAMILIES = {
    "hubert": Family(HubertModel, Wav2Vec2FeatureExtractor, Wav2Vec2Network),
    "wavlm": Family(WavLMModel, Wav2Vec2FeatureExtractor, Wav2Vec2Network),
    "wav2vec2": Family(Wav2Vec2Model, Wav2Vec2FeatureExtractor, Wav2Vec2Network),
    "data2vec-audio": Family(Data2VecAudioModel, Wav2Vec2FeatureExtractor, Wav2Vec2Network),
    "wav2vec2-bert": Family(Wav2Vec2BertModel, SeamlessM4TFeatureExtractor, Wav2Vec2BertNetwork),
    "whisper": Family(WhisperEncoderAlone, WhisperFeatureExtractor, WhisperNetwork, ("model.encoder.", "encoder.")),
}


def load_backbone(source: str, revision: str | None, dtype: str, load_weights: bool) -> nn.Module:
    """Loads a backbone of ``FAMILIES`` without a head; of Whisper, only the encoder.

    Arguments
    ---------
    source : str
        See :func:`speechbrain_xser.utils.sources.resolve_source`.
    revision : str, optional
        Commit, tag or branch of a hub id.
    dtype : str
        Type of the weights, e.g. "float32".
    load_weights : bool
        False builds the model from ``config.json`` with random weights, on torch's current default device.

    Returns
    -------
    nn.Module
        The transformers model.

    Raises
    ------
    BackboneError
        If the source cannot be found or read, belongs to an unknown family or lacks weights that the model needs, or if
        the dtype is unknown.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> folder = tiny_encoder_folder(tempfile.mkdtemp())
    >>> with torch.device("meta"):
    ...     load_backbone(folder, None, "bfloat16", load_weights=False).dtype
    torch.bfloat16
    """
    if dtype not in DTYPES:
        raise BackboneError(f"Unknown dtype {dtype!r} of the encoder {source!r}: expected one of {', '.join(DTYPES)}.")
    source = resolve_source(source)
    read, build = (partial(make, source, revision, DTYPES[dtype]) for make in (_read, _built))
    return exact_grouped_convolutions(weights(read, build) if load_weights else build())


def _family_of(source: str, revision: str | None) -> tuple[PreTrainedConfig, Family]:
    config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    return config, _family(source, config.model_type)


def _read(source: str, revision: str | None, dtype: torch.dtype) -> nn.Module:
    with LOADING, loading(source, revision):
        _, family = _family_of(source, revision)
        renamed = {f"^{re.escape(prefix)}": "" for prefix in family.prefixes}
        options = {"revision": revision, "dtype": dtype, "key_mapping": renamed}
        model, report = family.model.from_pretrained(source, output_loading_info=True, **options)
    refuse_incomplete(source, report, UNUSED_WEIGHTS)
    return model


def _built(source: str, revision: str | None, dtype: torch.dtype) -> nn.Module:
    with LOADING, loading(source, revision):
        config, family = _family_of(source, revision)
        # one legacy constructor in transformers ignores the default device
        return family.model(config).to(torch.get_default_device(), dtype)


def load_extractor(
    source: str, revision: str | None, model_type: str, required: bool = True
) -> FeatureExtractionMixin:
    """The feature extractor that ``preprocessor_config.json`` describes.

    Arguments
    ---------
    source, revision
        As for :func:`load_backbone`.
    model_type : str
        A key of ``FAMILIES``.
    required : bool
        False: a source without that file gets Hugging Face's defaults.

    Returns
    -------
    FeatureExtractionMixin
        Of the family's class.

    Raises
    ------
    BackboneError
        If the file is required and missing, or cannot be read: a guess would silently change every feature.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> extractor = load_extractor(tiny_encoder_folder(tempfile.mkdtemp(), norm="group"), None, "hubert")
    >>> extractor.do_normalize, extractor.sampling_rate
    (False, 16000)
    """
    source, extractor = resolve_source(source), FAMILIES[model_type].extractor
    try:
        with LOADING, loading(source, revision):
            return extractor.from_pretrained(source, revision=revision)
    except BackboneError:
        if required:
            raise
        return extractor()


def _family(source: str, model_type: str) -> Family:
    """The family of a model type."""
    if model_type not in FAMILIES:
        raise BackboneError(f"'{source}' is a {model_type!r} model; expected one of {', '.join(FAMILIES)}")
    return FAMILIES[model_type]
