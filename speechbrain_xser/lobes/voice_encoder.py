"""Resemblyzer's speaker encoder: an LSTM over mel bands, whose last state says whose voice it is.

Source: Wan et al. (2018), Generalized End-to-End Loss for Speaker Verification, ICASSP. The sizes and the way from a
clip to windows are those of the resemblyzer package, version 0.1.4, whose weights these are; its values are met to
rounding. Its step that removes pauses is left out: moments are cut at pauses already.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize, pad
from torchaudio.transforms import MelSpectrogram

from speechbrain_xser.backbones.hugging_face import WEIGHTS
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import BackboneError

BANDS, FFT, HOP = 40, 400, 160  # mel bands; samples of 25 ms and 10 ms
WIDTH, LAYERS = 256, 3
WINDOW, STEP = 160, 77  # frames: 1.6 s, 1.3 times a second
LEAST_COVERED = 0.75  # of a last window; with less sound in it, it is left out
DECIBELS = -30.0  # re full scale: softer clips are raised to it


class VoiceNetwork(nn.Module):
    """Three LSTM layers, a linear one, ReLU, and unit length.

    Example
    -------
    >>> found = VoiceNetwork()(torch.rand(2, 160, 40))
    >>> found.shape, bool((found.norm(dim=1) - 1).abs().max() < 1e-5), bool((found >= 0).all())
    (torch.Size([2, 256]), True, True)
    """

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, mels: Tensor) -> Tensor:
        """The voices of windows [B, T, 40], as [B, 256] of unit length."""
        _, (last, _) = self.lstm(mels)
        return normalize(self.linear(last[-1]).relu())


class VoiceEncoder:
    """Says whose voice a clip has, as a vector: voices of one person point to about the same side.

    Arguments
    ---------
    network : VoiceNetwork
        With weights.

    Example
    -------
    >>> encoder, wav = VoiceEncoder(VoiceNetwork()), torch.randn(48000).clamp(-1, 1)
    >>> encoder.embed(wav).shape, bool((encoder.embed(wav) @ encoder.embed(wav) - 1).abs() < 1e-5)
    (torch.Size([256]), True)
    >>> bool(torch.allclose(encoder.embed(0.01 * wav), encoder.embed(0.001 * wav), atol=1e-4))  # softer is the same
    True
    """

    name = "Resemblyzer"
    apart = 0.32  # cosine distance from which two groups of moments have two speakers; see recipes/Speakers

    def __init__(self, network: VoiceNetwork) -> None:
        self._network = network.eval()
        self._mels = MelSpectrogram(
            SAMPLE_RATE, FFT, hop_length=HOP, n_mels=BANDS, pad_mode="constant", norm="slaney", mel_scale="slaney"
        )

    @classmethod
    def from_folder(cls, folder: str | Path) -> VoiceEncoder:
        """Loads what ``xser setup speakers`` has written; a ``BackboneError`` if it is damaged."""
        network, path = VoiceNetwork(), Path(folder, WEIGHTS)
        try:
            network.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            told = str(error).partition("\n")[0]
            remedy = f"remove {folder}, and say `xser setup speakers`"
            raise BackboneError(f"{path}: is not the speaker encoder ({told}); {remedy}") from error
        return cls(network)

    @torch.inference_mode()
    def embed(self, wav: Tensor) -> Tensor:
        """The voice of a clip [S] at 16 kHz, as [256] of unit length."""
        starts = window_starts(len(wav))
        padded = pad(_raised(wav), (0, max(0, (starts[-1] + WINDOW) * HOP - len(wav))))
        mels = self._mels(padded).T  # [T, 40]
        windows = torch.stack([mels[start : start + WINDOW] for start in starts])
        return normalize(self._network(windows).mean(0), dim=0)


def window_starts(samples: int) -> list[int]:
    """The first frame of each window of a clip.

    Example
    -------
    >>> window_starts(8000), window_starts(16000 * 3)  # 1.6 s from 0, 0.77, and 1.54 s, of which 0.14 s are no sound
    ([0], [0, 77, 154])
    """
    frames = math.ceil((samples + 1) / HOP)
    starts = list(range(0, max(1, frames - WINDOW + STEP + 1), STEP))
    covered = (samples / HOP - starts[-1]) / WINDOW
    return starts[:-1] if covered < LEAST_COVERED and len(starts) > 1 else starts


def _raised(wav: Tensor) -> Tensor:
    """A soft clip at -30 dB re full scale; a louder one as it is."""
    level = wav.double().square().mean().sqrt().clamp(min=1e-10)  # digital silence stays silent
    return wav * max(10 ** (DECIBELS / 20) / float(level), 1.0)
