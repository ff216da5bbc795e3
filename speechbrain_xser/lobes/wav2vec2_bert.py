"""wav2vec2-BERT: a filterbank, pairs of stacked frames, and a conformer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

from speechbrain_xser.lobes.attention_mask import key_mask
from speechbrain_xser.lobes.kaldi_features import HOP, LENGTH, KaldiFilterbank
from speechbrain_xser.utils.lengths import valid_mask


class Wav2Vec2BertNetwork(nn.Module):
    """Maps waveforms to the states of layers 1 to n.

    An incomplete pair of filterbank frames at a clip's end is left out, as transformers masks it. A clip of fewer than
    560 samples is padded with zeros to one frame.

    Source: Seamless (Barrault et al., 2023, arXiv:2312.05187).

    Arguments
    ---------
    model : Wav2Vec2BertModel
        A transformers model, from :func:`~speechbrain_xser.lobes.backbone.load_backbone`.
    extractor : SeamlessM4TFeatureExtractor
        Configures the filterbank and the number of stacked frames.

    Example
    -------
    >>> from transformers import Wav2Vec2BertConfig
    >>> sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    >>> network = Wav2Vec2BertNetwork(Wav2Vec2BertModel(Wav2Vec2BertConfig(**sizes)), SeamlessM4TFeatureExtractor())
    >>> network.frame_rate, network.frame_counts(torch.tensor([16000, 100]))
    (50.0, tensor([49,  1]))
    """

    max_seconds = math.inf

    def __init__(self, model: Wav2Vec2BertModel, extractor: SeamlessM4TFeatureExtractor) -> None:
        super().__init__()
        self.model, self.filterbank = model, KaldiFilterbank(extractor)
        self.stack: int = extractor.stride
        self.layer_count: int = model.config.num_hidden_layers
        self.width: int = model.config.hidden_size
        self.frame_rate = extractor.sampling_rate / (HOP * self.stack)
        self.minimum_samples = LENGTH + HOP * (self.stack - 1)

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Whole stacks of filterbank frames, [B], at least one."""
        counts = self.filterbank.frame_counts(samples.clamp(min=self.minimum_samples))
        return torch.div(counts, self.stack, rounding_mode="floor")

    def forward(self, wavs: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
        """Filterbank, projection and conformer."""
        hidden, _ = self.model.feature_projection(self._stacked(wavs, samples).to(self.model.dtype))
        valid = valid_mask(frames, hidden.shape[1], hidden.device)
        return self._layers(torch.where(valid[..., None], hidden, 0.0), valid)

    def _stacked(self, wavs: Tensor, samples: Tensor) -> Tensor:
        """Filterbank frames, those of one stack side by side, [B, T, stack * m]."""
        silenced = torch.where(valid_mask(samples, wavs.shape[1]), wavs, 0.0)
        shortfall = max(0, self.minimum_samples - wavs.shape[1])
        counts = self.filterbank.frame_counts(samples.clamp(min=self.minimum_samples))
        features = self.filterbank(nn.functional.pad(silenced, (0, shortfall)), counts)
        whole = features.shape[1] // self.stack
        return features[:, : whole * self.stack].reshape(len(wavs), whole, -1)

    def _layers(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Every layer's output, [n, B, T, d]; attention and convolutions ignore padding."""
        encoder, layers = self.model.encoder, hidden.new_empty(self.layer_count, *hidden.shape)
        positions = None if encoder.embed_positions is None else encoder.embed_positions(hidden)
        options = {"relative_position_embeddings": positions, "conv_attention_mask": valid}
        for place, layer in zip(layers, encoder.layers, strict=True):
            hidden = layer(hidden, attention_mask=key_mask(valid, hidden.dtype), **options)
            place.copy_(hidden)
        return layers
