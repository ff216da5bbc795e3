"""A frozen pretrained speech encoder of any known family: hidden states of its layers, the same alone and in a batch.

Each family has a network that turns waveforms into states (``wav2vec2.py``, ``wav2vec2_bert.py``, ``whisper.py``);
``backbone.FAMILIES`` selects it by the ``model_type`` of ``config.json``. This module holds what all families share:
nothing trains, nothing is saved, and autocast has no effect. States are taken **before** an encoder's final layer norm,
so the last layer is of the same kind as the others, whatever transformers calls ``hidden_states[-1]``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechbrain_xser.errors import AudioError, BackboneError
from speechbrain_xser.lobes.backbone import FAMILIES, load_backbone, load_extractor
from speechbrain_xser.lobes.frozen import FrozenModule
from speechbrain_xser.lobes.low_pass import LowPass
from speechbrain_xser.lobes.states import LayerStates, level_db
from speechbrain_xser.lobes.whisper import WhisperNetwork
from speechbrain_xser.lobes.windows import Windows
from speechbrain_xser.utils.attention_kernels import without_cudnn


class FrozenEncoder(FrozenModule):
    """A frozen :class:`~speechbrain_xser.lobes.states.SpeechEncoder` from a checkpoint of any known family.

    It knows wav2vec 2.0, HuBERT, WavLM, data2vec, wav2vec2-BERT and Whisper, of which it loads the encoder only.

    * Padding never reaches a valid frame: a clip's states are those that transformers gives for a batch of one.
    * It always stays in eval, runs under ``no_grad``, and keeps its own ``dtype`` under autocast. It is in no
      checkpoint: its ``state_dict()`` is empty, and strict loading of a parent does not report it as missing.

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
    pad_to_seconds : float, optional
        Whisper only: a shorter clip is padded with silence to this many seconds.
    band_hertz : float, optional
        Removes everything above, so that clips of all bandwidths sound alike; must be below half the sample rate.
    window_seconds : float, optional
        A longer clip is heard in equal parts of about this length, each alone: for branches that were trained on short
        clips (:class:`~speechbrain_xser.lobes.windows.Windows`).

    Raises
    ------
    BackboneError
        If the source cannot be found or read, is of an unknown family or lacks weights, or if ``pad_to_seconds``,
        ``band_hertz`` or ``window_seconds`` does not fit.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> encoder = FrozenEncoder(tiny_encoder_folder(tempfile.mkdtemp(), "whisper"))
    >>> wav = torch.randn(1, 16000)
    >>> alone = encoder(wav[:, :8000], torch.tensor([8000]))
    >>> padded = encoder(torch.cat([wav, wav]), torch.tensor([8000, 16000]))
    >>> alone.layers.shape, padded.frames, encoder.frame_rate, encoder.max_seconds
    (torch.Size([4, 1, 25, 32]), tensor([25, 50]), 50.0, 30.0)
    >>> torch.allclose(alone.layers[:, 0], padded.layers[:, 0, :25], atol=1e-5)
    True
    >>> encoder.train().training, len(encoder.state_dict())
    (False, 0)
    """

    def __init__(
        self,
        source: str,
        revision: str | None = None,
        dtype: str = "float32",
        load_weights: bool = True,
        pad_to_seconds: float | None = None,
        band_hertz: float | None = None,
        window_seconds: float | None = None,
    ) -> None:
        super().__init__()
        model = load_backbone(source, revision, dtype, load_weights)
        extractor = load_extractor(source, revision, model.config.model_type, required=load_weights)
        network = FAMILIES[model.config.model_type].network
        if pad_to_seconds is not None and network is not WhisperNetwork:
            raise BackboneError(f"'{source}' hears clips at their own length; pad_to_seconds is for Whisper only")
        options = {} if pad_to_seconds is None else {"pad_to_seconds": pad_to_seconds}
        self.network = network(model, extractor, **options)
        self.layer_count: int = self.network.layer_count
        self.width: int = self.network.width
        self.sample_rate: int = extractor.sampling_rate
        self.frame_rate: float = self.network.frame_rate
        self.max_seconds: float = self.network.max_seconds
        self.low_pass = None if band_hertz is None else LowPass(band_hertz, self.sample_rate)
        rates = self.sample_rate, self.frame_rate
        self.windows = None if window_seconds is None else Windows(window_seconds, *rates)
        self.freeze()

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Frames of clips with that many samples, by the family's formula.

        Arguments
        ---------
        samples : Tensor
            Sample counts, [B], int64.

        Returns
        -------
        Tensor
            Frame counts, [B], int64, at least 1.
        """
        counts = self.network.frame_counts
        return counts(samples) if self.windows is None else self.windows.parts(samples).frames(counts)

    @torch.no_grad()
    def forward(self, wavs: Tensor, samples: Tensor) -> LayerStates:
        """Encodes a right-padded batch.

        Arguments
        ---------
        wavs : Tensor
            Waveforms at ``sample_rate``, [B, S], float in -1..1; values at padding do not matter.
        samples : Tensor
            Valid samples, [B], int64, at most S.

        Returns
        -------
        LayerStates
            ``layers`` [n, B, T, d] in the encoder's dtype, ``frames`` [B], ``level`` [B].

        Raises
        ------
        AudioError
            If the shapes are not [B, S] and [B], or a clip is longer than the encoder accepts.
        """
        if wavs.dim() != 2 or samples.shape != wavs.shape[:1]:
            raise AudioError(
                f"waveforms of shape {tuple(wavs.shape)} with sample counts of shape {tuple(samples.shape)}; "
                "expected mono waveforms [B, S] and one count each [B]"
            )
        frames, on_device = self.frame_counts(samples), samples.to(wavs.device, non_blocking=True)
        with torch.autocast(wavs.device.type, enabled=False), without_cudnn(wavs.device):
            heard = wavs.float() if self.low_pass is None else self.low_pass(wavs.float(), on_device)
            if self.windows is None:
                layers = self.network(heard, on_device, frames)
            else:
                layers = self.windows.states(self.network, self.network.frame_counts, heard, samples)
        return LayerStates(layers, frames, level_db(wavs, on_device))
