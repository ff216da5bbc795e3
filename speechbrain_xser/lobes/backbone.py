"""Loads an SSL backbone and what its preprocessor says, and refuses one that is not complete."""

from __future__ import annotations

import torch
from torch import nn
from transformers import AutoConfig, HubertModel, Wav2Vec2FeatureExtractor, Wav2Vec2Model, WavLMModel

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.locks import LOADING
from speechbrain_xser.utils.sources import loading, refuse_incomplete, resolve_source

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FAMILIES: dict[str, type[nn.Module]] = {"hubert": HubertModel, "wavlm": WavLMModel, "wav2vec2": Wav2Vec2Model}
UNUSED_WEIGHTS = {"masked_spec_embed"}  # of pre-training's masking; fine-tuned checkpoints may lack it


def load_backbone(source: str, revision: str | None, dtype: str, load_weights: bool) -> nn.Module:
    """Loads a HuBERT, WavLM or wav2vec 2.0 transformer without any head.

    Sources: HuBERT (Hsu et al., 2021, TASLP 29), WavLM (Chen et al., 2022, IEEE JSTSP 16(6)), wav2vec 2.0 (Baevski et
    al., 2020, NeurIPS).

    Arguments
    ---------
    source : str
        See :func:`speechbrain_xser.utils.sources.resolve_source`.
    revision : str, optional
        Commit, tag or branch of a hub id.
    dtype : str
        Type of the weights, e.g. "float32".
    load_weights : bool
        False: random weights by ``config.json``, on torch's current default device.

    Returns
    -------
    nn.Module
        The transformers model.

    Raises
    ------
    BackboneError
        The source cannot be found or read, is of another family, or lacks weights that the model needs; the type is
        unknown.

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
    with LOADING, loading(source, revision):
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        family = _family(source, config)
        if not load_weights:
            # one legacy constructor in transformers ignores the default device
            return family(config).to(torch.get_default_device(), DTYPES[dtype])
        model, report = family.from_pretrained(source, revision=revision, dtype=DTYPES[dtype], output_loading_info=True)
    refuse_incomplete(source, report, UNUSED_WEIGHTS)
    return model


def load_preprocessor(source: str, revision: str | None, required: bool = True) -> tuple[bool, int]:
    """Whether each utterance is normalised, and the sample rate in Hz, by ``preprocessor_config.json``.

    Arguments
    ---------
    source, revision
        As for :func:`load_backbone`.
    required : bool
        False: a source without that file has Hugging Face's defaults, normalised at 16000 Hz.

    Returns
    -------
    tuple[bool, int]
        Normalise, sample rate.

    Raises
    ------
    BackboneError
        The file is required and missing, or cannot be read: guessing would change every feature in silence.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> load_preprocessor(tiny_encoder_folder(tempfile.mkdtemp(), norm="group"), None)
    (False, 16000)
    """
    source = resolve_source(source)
    try:
        with LOADING, loading(source, revision):
            extractor = Wav2Vec2FeatureExtractor.from_pretrained(source, revision=revision)
    except BackboneError:
        if required:
            raise
        extractor = Wav2Vec2FeatureExtractor()
    return extractor.do_normalize, extractor.sampling_rate


def _family(source: str, config: object) -> type[nn.Module]:
    """The class for a configuration that this encoder can keep padding out of."""
    if config.model_type not in FAMILIES:
        raise BackboneError(f"'{source}' is a {config.model_type!r} model; expected one of {', '.join(FAMILIES)}")
    if getattr(config, "conv_pos_batch_norm", False):
        raise BackboneError(f"'{source}' has a batch norm before its positions, which lets padding in; use another")
    return FAMILIES[config.model_type]
