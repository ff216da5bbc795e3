"""wav2vec 2.0, HuBERT, WavLM and data2vec: convolutions over the waveform, then a transformer.

The model's parts are called one by one. So integer frame counts give every mask, without relative lengths and without
the device synchronisation of transformers' boolean indexing, and the states go straight into one buffer. In return, we
rely on the names of those parts (``feature_extractor``, ``feature_projection``, ``encoder``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import Data2VecAudioModel, Wav2Vec2FeatureExtractor, WavLMModel

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.attention_mask import in_few_lengths, key_mask
from speechbrain_xser.lobes.masked_norm import masked_group_norm, standardised
from speechbrain_xser.utils.lengths import valid_mask


class Wav2Vec2Network(nn.Module):
    """Maps waveforms to the states of layers 1 to n, before the encoder's final layer norm.

    * Each clip is normalised over its own samples if the checkpoint's ``preprocessor_config.json`` says so.
    * Attention is masked for every model, including base models that were trained without a mask. If the first
      convolution has a **group norm** over time (the base models), its statistics use valid frames only; data2vec's
      stack of positional convolutions reads zeros beyond a clip's end in every layer.
    * A clip shorter than the receptive field (25 ms at the usual 400 samples) is padded with zeros to one frame.

    Sources: wav2vec 2.0 (Baevski et al., 2020, NeurIPS), HuBERT (Hsu et al., 2021, TASLP 29), WavLM (Chen et al., 2022,
    IEEE JSTSP 16(6)), data2vec (Baevski et al., 2022, ICML).

    Arguments
    ---------
    model : nn.Module
        A transformers model, from :func:`~speechbrain_xser.lobes.backbone.load_backbone`.
    extractor : Wav2Vec2FeatureExtractor
        Says whether clips are normalised, and their sample rate.

    Raises
    ------
    BackboneError
        If the model has a batch norm before its positional convolutions, which would let padding in.

    Example
    -------
    >>> from transformers import HubertConfig, HubertModel
    >>> sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    >>> network = Wav2Vec2Network(HubertModel(HubertConfig(**sizes)), Wav2Vec2FeatureExtractor())
    >>> network.frame_rate, network.minimum_samples, network.frame_counts(torch.tensor([8000, 100]))
    (50.0, 400, tensor([24,  1]))
    """

    max_seconds = math.inf

    def __init__(self, model: nn.Module, extractor: Wav2Vec2FeatureExtractor) -> None:
        super().__init__()
        config = model.config
        if getattr(config, "conv_pos_batch_norm", False):
            raise BackboneError("a batch norm before the positions lets padding in; use another encoder")
        self.model, self.normalise = model, extractor.do_normalize
        self.convolutions = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.layer_count: int = config.num_hidden_layers
        self.width: int = config.hidden_size
        self.frame_rate = extractor.sampling_rate / math.prod(config.conv_stride)
        if not isinstance(model, Data2VecAudioModel):
            _fold_weight_norm(model.encoder.pos_conv_embed.conv)

    @property
    def minimum_samples(self) -> int:
        """Receptive field of one frame, in samples."""
        samples = 1
        for kernel, stride in reversed(self.convolutions):
            samples = (samples - 1) * stride + kernel
        return samples

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Frames that the convolutions give, [B]: ``(samples - kernel) // stride + 1`` each, at least one in all."""
        counts = samples.long().clamp(min=self.minimum_samples)
        for kernel, stride in self.convolutions:
            counts = torch.div(counts - kernel, stride, rounding_mode="floor") + 1
        return counts

    def forward(self, wavs: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
        """Convolutions, projection, positions and transformer."""
        convolved = self._convolved(self.prepared(wavs, samples), samples).transpose(1, 2)
        projected = self.model.feature_projection(convolved)
        projected = projected if isinstance(projected, Tensor) else projected[0]
        valid, encoder = valid_mask(frames, projected.shape[1], projected.device), self.model.encoder
        hidden = torch.where(valid[..., None], projected, 0.0)
        hidden = hidden + self._positions(hidden, valid)
        if not getattr(self.model.config, "do_stable_layer_norm", False):
            hidden = encoder.layer_norm(hidden)
        return self._layers(hidden, valid)

    def prepared(self, wavs: Tensor, samples: Tensor) -> Tensor:
        """The model's input: each clip normalised over its own samples (or not), zeros at padding."""
        valid = valid_mask(samples, wavs.shape[1])
        wavs = torch.where(valid, wavs, 0.0)
        if self.normalise:
            wavs = standardised(wavs, valid, samples, epsilon=1e-7)
        shortfall = max(0, self.minimum_samples - wavs.shape[1])
        return nn.functional.pad(wavs, (0, shortfall)).to(self.model.dtype)

    def _convolved(self, wavs: Tensor, samples: Tensor) -> Tensor:
        """Features of the waveform, [B, c, T]; a group norm takes its statistics over valid frames."""
        first, *others = self.model.feature_extractor.conv_layers
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            kernel, stride = self.convolutions[0]
            counts = (samples.clamp(min=self.minimum_samples) - kernel) // stride + 1
            features = first.activation(masked_group_norm(first.conv(wavs[:, None]), counts, first.layer_norm))
        else:
            features = first(wavs[:, None])
        for layer in others:
            features = layer(features)
        return features

    def _positions(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Positional convolutions, [B, T, d], of states that are zero at padding."""
        embed = self.model.encoder.pos_conv_embed
        if not isinstance(self.model, Data2VecAudioModel):
            return embed(hidden)
        features = hidden.transpose(1, 2)
        for layer in embed.layers:
            features = layer(torch.where(valid[:, None], features, 0.0))
        return features.transpose(1, 2)

    def _layers(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Every layer's output, [n, B, T, d]; padding is masked in the form that the family's layers expect."""
        layers, length = hidden.new_empty(self.layer_count, *hidden.shape), hidden.shape[1]
        hidden, valid = in_few_lengths(hidden, valid)
        options = {"attention_mask": key_mask(valid, hidden.dtype)}
        biased = isinstance(self.model, WavLMModel)  # its layers pass a relative-position bias on
        if biased:
            options = {"attention_mask": valid.long(), "position_bias": None}
        for place, layer in zip(layers, self.model.encoder.layers, strict=True):
            output = layer(hidden, **options)
            hidden = output if isinstance(output, Tensor) else output[0]
            place.copy_(hidden[:, :length])
            if biased:
                options["position_bias"] = output[1]
        return layers


def _fold_weight_norm(convolution: nn.Conv1d) -> None:
    """Computes the weight norm ``g v / |v|`` of frozen weights once."""
    parametrize.remove_parametrizations(convolution, "weight")
    convolution._load_state_dict_pre_hooks.clear()  # the weight norm leaves a hook that cannot be pickled
