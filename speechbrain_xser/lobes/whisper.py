"""Whisper's encoder on clips of their own length, or followed by silence up to the 30 s that it was trained on.

The forward of transformers accepts 30 s only. Here its parts are called one by one, with the positions that a batch
needs and with padded frames masked; Whisper itself masks nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from speechbrain_xser.errors import AudioError, BackboneError
from speechbrain_xser.lobes.attention_mask import in_few_lengths, key_mask
from speechbrain_xser.lobes.whisper_features import WhisperLogMel
from speechbrain_xser.utils.lengths import valid_mask


class WhisperEncoderAlone(WhisperEncoder):
    """The encoder of transformers, read from an encoder's checkpoint or from that of a whole Whisper."""

    _keys_to_ignore_on_load_unexpected = (r"^(model\.)?decoder\.", r"^proj_out\.")


class WhisperNetwork(nn.Module):
    """Maps waveforms to the states of an embedding and n transformer layers, before the encoder's final layer norm.

    The first state is that of the convolutions with their positions: small Whispers have few layers, and the lowest
    carry pitch and level. A clip gives ``ceil(samples / 320)`` frames at the usual sizes, however much silence is
    added.

    Source: Whisper (Radford et al., 2023, ICML).

    Arguments
    ---------
    model : WhisperEncoder
        A transformers model, from :func:`~speechbrain_xser.lobes.backbone.load_backbone`.
    extractor : WhisperFeatureExtractor
        Configures the log-mel spectrogram.
    pad_to_seconds : float, optional
        A shorter clip is padded with silence to this many seconds, at most 30; only the states of its own frames are
        kept. By default a clip is not padded, which is faster.

    Raises
    ------
    BackboneError
        If ``pad_to_seconds`` is not positive, or is beyond the model's positions.

    Example
    -------
    >>> from transformers import WhisperConfig
    >>> config = WhisperConfig(d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=64)
    >>> network = WhisperNetwork(WhisperEncoder(config), WhisperFeatureExtractor())
    >>> network.layer_count, network.frame_rate, network.frame_counts(torch.tensor([16000, 100]))
    (3, 50.0, tensor([50,  1]))
    """

    def __init__(
        self, model: WhisperEncoder, extractor: WhisperFeatureExtractor, pad_to_seconds: float | None = None
    ) -> None:
        super().__init__()
        self.model, self.log_mel = model, WhisperLogMel(extractor)
        self.mels_per_frame: int = model.conv1.stride[0] * model.conv2.stride[0]
        self.hop = self.log_mel.hop * self.mels_per_frame  # samples a frame
        self.layer_count: int = model.config.encoder_layers + 1
        self.width: int = model.config.d_model
        self.frame_rate = extractor.sampling_rate / self.hop
        self.most_frames: int = model.config.max_source_positions
        self.max_seconds = self.most_frames / self.frame_rate
        self.least_frames = math.ceil((pad_to_seconds or 0) * self.frame_rate)
        if pad_to_seconds is not None and not 0 < self.least_frames <= self.most_frames:
            told = f"expected more than 0 and at most {self.max_seconds:g}"
            raise BackboneError(f"pad_to_seconds is {pad_to_seconds}; {told}")

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Frames of each clip, [B]: ``ceil(samples / hop)``, at least one."""
        return torch.div(samples.long() + self.hop - 1, self.hop, rounding_mode="floor").clamp(min=1)

    def forward(self, wavs: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
        """Log-mel spectrogram, convolutions, positions and transformer.

        Raises
        ------
        AudioError
            If the batch is longer than the model's positions allow.
        """
        longest = max(1, math.ceil(wavs.shape[1] / self.hop))
        if longest > self.most_frames:
            told = f"expected at most {self.max_seconds:g}: cut it, or lower max_seconds"
            raise AudioError(f"a clip of {longest / self.frame_rate:g} s; {told}")
        heard, total = frames.clamp(min=self.least_frames), max(longest, self.least_frames)
        hidden = self._embedded(self._padded(wavs, samples, total), heard)
        mask = None
        if heard.device.type != "cpu" or int(heard.min()) < total:  # faster without a mask; no GPU is waited for
            hidden, valid = in_few_lengths(hidden, valid_mask(heard, total, hidden.device))
            mask = key_mask(valid, hidden.dtype)
        return self._layers(hidden, mask, longest)

    def _padded(self, wavs: Tensor, samples: Tensor, frames: int) -> Tensor:
        """Waveforms of that many frames, zero at padding."""
        silenced = torch.where(valid_mask(samples, wavs.shape[1]), wavs, 0.0)
        return nn.functional.pad(silenced, (0, frames * self.hop - wavs.shape[1]))

    def _embedded(self, wavs: Tensor, frames: Tensor) -> Tensor:
        """Convolutions over the log-mel spectrogram, zero beyond a clip's frames, and positions, [B, T, d]."""
        mel = self.log_mel(wavs, frames * self.mels_per_frame).to(self.model.dtype)
        features = nn.functional.gelu(self.model.conv1(mel))
        features = nn.functional.gelu(self.model.conv2(features)).transpose(1, 2)
        return features + self.model.embed_positions.weight[: features.shape[1]]

    def _layers(self, hidden: Tensor, mask: Tensor | None, longest: int) -> Tensor:
        """The embedding and every layer's output, [n + 1, B, T, d], cut to the longest clip."""
        layers = hidden.new_empty(self.layer_count, len(hidden), longest, self.width)
        layers[0].copy_(hidden[:, :longest])
        for place, layer in zip(layers[1:], self.model.layers, strict=True):
            hidden = layer(hidden, mask)
            place.copy_(hidden[:, :longest])
        return layers
