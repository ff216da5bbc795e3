"""A frozen SSL speech encoder: hidden states of every transformer layer, the same alone and in a padded batch.

Two decisions. The model's parts are called one by one, so that integer frame counts make every mask (without relative
lengths, and without waiting for a device, as transformers' own boolean indexing does), and the states go straight into
one buffer. And they are taken **before** the encoder's final layer norm, so the last layer is of the same kind as the
others whatever transformers calls ``hidden_states[-1]``. The price is that we rely on the names of those parts
(``feature_extractor``, ``feature_projection``, ``encoder``).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import WavLMModel

from speechbrain_xser.errors import AudioError
from speechbrain_xser.lobes.backbone import load_backbone, load_preprocessor
from speechbrain_xser.lobes.masked_norm import masked_group_norm, standardised
from speechbrain_xser.lobes.states import LayerStates, SpeechEncoder, level_db
from speechbrain_xser.utils.lengths import valid_mask

__all__ = ["LayerStates", "SSLEncoder", "SpeechEncoder", "level_db"]


class SSLEncoder(nn.Module):
    """HuBERT, WavLM or wav2vec 2.0 as a frozen lobe that implements :class:`SpeechEncoder`.

    * Each utterance is normalised over its own samples if the checkpoint's ``preprocessor_config.json`` says so.
    * Padding never reaches a valid frame. The attention is masked for every model, also for the base models that were
      trained without a mask; and where the first convolution has a **group norm** over time (the base models), its
      statistics are taken over the valid frames only. So every clip's states are those of the clip alone, without
      padding: what transformers gives for a batch of one.
    * A clip below the receptive field (25 ms at the usual 400 samples) is padded with zeros to one frame.
    * It stays in eval whatever ``train()`` says, runs under ``no_grad``, in its own ``dtype`` whatever autocast says,
      and is in no checkpoint: its ``state_dict()`` is empty and strict loading of a parent does not miss it.

    Sources: HuBERT (Hsu et al., 2021, TASLP 29), WavLM (Chen et al., 2022, IEEE JSTSP 16(6)), wav2vec 2.0 (Baevski et
    al., 2020, NeurIPS).

    Arguments
    ---------
    source : str
        ``packaged:NAME``, a local Hugging Face folder, or a hub id.
    revision : str, optional
        Commit, tag or branch of a hub id.
    dtype : str
        Type of weights and states: "float32", "bfloat16" or "float16".
    load_weights : bool
        False builds from ``config.json`` only, on torch's current default device ("meta" works).

    Raises
    ------
    BackboneError
        The source cannot be found or read, is of another family, or lacks weights.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> encoder = SSLEncoder(tiny_encoder_folder(tempfile.mkdtemp()))
    >>> wav = torch.randn(1, 16000)
    >>> alone = encoder(wav[:, :8000], torch.tensor([8000]))
    >>> padded = encoder(torch.cat([wav, wav]), torch.tensor([8000, 16000]))
    >>> alone.layers.shape, padded.frames
    (torch.Size([3, 1, 24, 32]), tensor([24, 49]))
    >>> torch.allclose(alone.layers[:, 0], padded.layers[:, 0, :24], atol=1e-5)
    True
    >>> encoder.minimum_samples, encoder.frame_counts(torch.tensor([8000, 100]))
    (400, tensor([24,  1]))
    >>> encoder.train().training, len(encoder.state_dict())
    (False, 0)
    """

    def __init__(
        self, source: str, revision: str | None = None, dtype: str = "float32", load_weights: bool = True
    ) -> None:
        super().__init__()
        self.model = load_backbone(source, revision, dtype, load_weights)
        self.normalise, self.sample_rate = load_preprocessor(source, revision, required=load_weights)
        self.convolutions = tuple(zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True))
        self.layer_count: int = self.model.config.num_hidden_layers
        self.width: int = self.model.config.hidden_size
        # the weight norm g v / |v| of frozen weights is computed once, here
        positions = self.model.encoder.pos_conv_embed.conv
        parametrize.remove_parametrizations(positions, "weight")
        positions._load_state_dict_pre_hooks.clear()  # the norm leaves one, a local function that cannot be pickled
        self.requires_grad_(False)
        self.train(False)
        self.register_load_state_dict_post_hook(_forgive_missing)

    @property
    def minimum_samples(self) -> int:
        """Receptive field of one frame.

        Returns
        -------
        int
            Samples at ``sample_rate``.
        """
        samples = 1
        for kernel, stride in reversed(self.convolutions):
            samples = (samples - 1) * stride + kernel
        return samples

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Frames that the convolutions make of that many samples: ``(samples - kernel) // stride + 1`` each.

        Arguments
        ---------
        samples : Tensor
            Sample counts, [B], int64.

        Returns
        -------
        Tensor
            Frame counts, [B], int64, at least 1.
        """
        counts = samples.long().clamp(min=self.minimum_samples)
        for kernel, stride in self.convolutions:
            counts = torch.div(counts - kernel, stride, rounding_mode="floor") + 1
        return counts

    @torch.no_grad()
    def forward(self, wavs: Tensor, samples: Tensor) -> LayerStates:
        """Encodes a right-padded batch.

        Arguments
        ---------
        wavs : Tensor
            Waveforms at ``sample_rate``, [B, S], float in -1..1; what stands at padding does not matter.
        samples : Tensor
            Valid samples, [B], int64, at most S.

        Returns
        -------
        LayerStates
            ``layers`` [n, B, T, d] in the encoder's dtype, ``frames`` [B], ``level`` [B].

        Raises
        ------
        AudioError
            The shapes are not [B, S] and [B].
        """
        if wavs.dim() != 2 or samples.shape != wavs.shape[:1]:
            raise AudioError(
                f"waveforms of shape {tuple(wavs.shape)} with sample counts of shape {tuple(samples.shape)}; "
                "expected mono waveforms [B, S] and one count each [B]"
            )
        frames, on_device = self.frame_counts(samples), samples.to(wavs.device, non_blocking=True)
        with torch.autocast(wavs.device.type, enabled=False):
            layers = self._encode(self._prepared(wavs.float(), on_device), on_device, frames)
        return LayerStates(layers, frames, level_db(wavs, on_device))

    def _prepared(self, wavs: Tensor, samples: Tensor) -> Tensor:
        """The model's input: each utterance normalised over its own samples (or not), zeros at padding."""
        valid = valid_mask(samples, wavs.shape[1])
        wavs = torch.where(valid, wavs, 0.0)
        if self.normalise:
            wavs = standardised(wavs, valid, samples, epsilon=1e-7)
        shortfall = max(0, self.minimum_samples - wavs.shape[1])
        return nn.functional.pad(wavs, (0, shortfall)).to(self.model.dtype)

    def _encode(self, wavs: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
        """Convolutions, projection, positions and transformer, [n, B, T, d]."""
        convolved = self._convolved(wavs, samples).transpose(1, 2)
        projected = self.model.feature_projection(convolved)
        projected = projected if isinstance(projected, Tensor) else projected[0]
        valid, encoder = valid_mask(frames, projected.shape[1], projected.device), self.model.encoder
        hidden = torch.where(valid[..., None], projected, 0.0)
        hidden = hidden + encoder.pos_conv_embed(hidden)
        if not self.model.config.do_stable_layer_norm:
            hidden = encoder.layer_norm(hidden)
        return self._layers(hidden, valid)

    def _layers(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Every layer's output, [n, B, T, d]; padding is masked as the family's layers take it."""
        layers = hidden.new_empty(self.layer_count, *hidden.shape)
        mask = torch.zeros_like(valid, dtype=hidden.dtype).masked_fill_(~valid, float("-inf"))
        options = {"attention_mask": mask[:, None, None].expand(-1, 1, valid.shape[1], -1)}
        biased = isinstance(self.model, WavLMModel)  # its layers hand a bias of relative positions on
        if biased:
            options = {"attention_mask": valid.long(), "position_bias": None}
        for place, layer in zip(layers, self.model.encoder.layers, strict=True):
            output = layer(hidden, **options)
            hidden = output if isinstance(output, Tensor) else output[0]
            place.copy_(hidden)
            if biased:
                options["position_bias"] = output[1]
        return layers

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

    def train(self, mode: bool = True) -> SSLEncoder:
        """Stays in eval: no dropout, no layer-drop, no masking, whatever ``mode`` says.

        Arguments
        ---------
        mode : bool
            Not looked at.

        Returns
        -------
        SSLEncoder
            Itself, in eval.
        """
        return super().train(False)

    def state_dict(self, *args, destination: dict | None = None, **kwargs) -> dict:
        """Nothing: the backbone is named by its source, not saved.

        Arguments
        ---------
        *args, **kwargs
            As ``nn.Module`` takes them; not looked at.
        destination : dict, optional
            Where a parent collects its tensors; left as it is.

        Returns
        -------
        dict
            ``destination``, or an empty dict.
        """
        return OrderedDict() if destination is None else destination

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, unexpected, errors) -> None:
        """Takes nothing: keys given to it are unexpected, and none of its own is missing."""
        unexpected.extend(state_dict)
        state_dict.clear()
        self._missing_before = len(missing)


def _forgive_missing(encoder: SSLEncoder, incompatible: tuple[list[str], list[str]]) -> None:
    """Drops what the backbone's own modules, loaded between the two hooks, reported as missing."""
    del incompatible[0][encoder._missing_before :]
