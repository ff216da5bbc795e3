"""A frozen encoder that computes each clip once and keeps its layers on disk, for small corpora and many runs.

A clip is identified by its samples and the encoder by its fingerprint. So runs can share a cache at the same time, and
neither another file of the same name nor another encoder is ever mistaken for it. A cache is possible because a clip's
states do not depend on its batch. Each clip is still encoded alone, so that not even the last bit depends on which run
came first. Size: ``layers * frames * width * 2`` bytes a clip, 2.5 MB a second with HuBERT-large in bfloat16: too much
for a large corpus.
"""

from __future__ import annotations

import hashlib
import logging
import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from speechbrain_xser.lobes.states import LayerStates, SpeechEncoder, level_db
from speechbrain_xser.utils.files import moved_into_place

logger = logging.getLogger(__name__)

KEY = "layers"


class CachedEncoder(nn.Module):
    """Stands in for a frozen encoder.

    Arguments
    ---------
    encoder : SpeechEncoder
        Frozen and independent of the batch, as ``FrozenEncoder`` is.
    folder : str or Path
        Where clips are kept; created with the first clip.
    fingerprint : str
        Of the encoder's weights, configuration and type; it names the encoder's folder.
    dtype : torch.dtype
        On disk. States are rounded to it the first time too, so that all runs get the same values.

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_model
    >>> place = getfixture("tmp_path")
    >>> encoder = tiny_model(place).encoder
    >>> cached = CachedEncoder(encoder, place / "cache", "0123abcd")
    >>> wavs, samples = torch.randn(2, 16000), torch.tensor([16000, 9000])
    >>> first, again = cached(wavs, samples), cached(wavs.flip(0), samples.flip(0))
    >>> torch.equal(first.layers[:, 0], again.layers[:, 1]), len(list((place / "cache").rglob("*.safetensors")))
    (True, 2)
    """

    def __init__(
        self, encoder: SpeechEncoder, folder: str | Path, fingerprint: str, dtype: torch.dtype = torch.bfloat16
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.layer_count, self.width = encoder.layer_count, encoder.width
        self.sample_rate, self.frame_rate = encoder.sample_rate, encoder.frame_rate
        self.max_seconds: float = getattr(encoder, "max_seconds", math.inf)
        self.folder, self.dtype = Path(folder) / f"{fingerprint}-{str(dtype).removeprefix('torch.')}", dtype
        self.kind = next((one.dtype for one in encoder.parameters()), torch.float32)  # of the encoder's own states
        self._warned = False

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Valid frames of clips with that many samples, [B]; the encoder's own."""
        return self.encoder.frame_counts(samples)

    def forward(self, wavs: Tensor, samples: Tensor) -> LayerStates:
        """States of right-padded waveforms, computed only for clips that are not in the cache.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S].
        samples : Tensor
            Valid samples, [B], int64.

        Returns
        -------
        LayerStates
            As the encoder's, rounded to the cache's type.
        """
        frames = self.frame_counts(samples)
        paths = [self._path(wav[:count]) for wav, count in zip(wavs, samples.tolist(), strict=True)]
        clips = [_read(path) for path in paths]
        for row, clip in enumerate(clips):
            if clip is None:
                layers = self.encoder(wavs[row : row + 1, : int(samples[row])], samples[row : row + 1]).layers[:, 0]
                clips[row] = layers[:, : int(frames[row])].to(self.dtype).cpu().contiguous()
                self._write(paths[row], clips[row])
        return LayerStates(self._padded(clips, wavs.device), frames, level_db(wavs, samples))

    def _padded(self, clips: list[Tensor], device: torch.device) -> Tensor:
        """One buffer, [n, B, T, d] in the encoder's type, zero at padding; it is copied in the cache's type."""
        longest, pinned = max(clip.shape[1] for clip in clips), device.type == "cuda"
        shape = self.layer_count, len(clips), longest, self.width
        layers = torch.zeros(shape, dtype=self.dtype, pin_memory=pinned)
        for row, clip in enumerate(clips):
            layers[:, row, : clip.shape[1]] = clip
        return layers.to(device, non_blocking=pinned).to(self.kind)

    def _path(self, wav: Tensor) -> Path:
        samples = wav.detach().float().cpu().contiguous().numpy().tobytes()
        digest = hashlib.blake2b(samples, digest_size=16).hexdigest()
        return self.folder / digest[:2] / f"{digest}.safetensors"

    def _write(self, path: Path, layers: Tensor) -> None:
        """Writes a temporary file and moves it into place; a full disk ends the caching, not the run."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with moved_into_place(path, synced=False) as beside:  # a half-written file is computed again
                save_file({KEY: layers}, beside)
        except (OSError, SafetensorError) as error:
            if not self._warned:
                logger.warning("%s: clips are not kept (%s); they are computed again each time.", self.folder, error)
            self._warned = True


def _read(path: Path) -> Tensor | None:
    """A clip's layers, [n, T, d]; None if there is no file, or only half of one."""
    try:
        return load_file(path)[KEY]
    except (OSError, SafetensorError, KeyError):
        return None


HALF_FLOPS = {8: 100e12, 9: 400e12, 10: 800e12}  # a second, of products in half precision, by compute capability
FULL_FLOPS = 15e12  # in float32
COPIED_BYTES = 5e9  # a second, from a mapped file into a padded buffer and onto a GPU


def copying_pays(encoder: SpeechEncoder, device: torch.device, capability: int = 0) -> bool:
    """Whether a clip's layers are sooner copied to a device than computed there; always on a CPU.

    Both times are counted for a second of speech: two operations for each weight and frame, and the bytes of all
    layers. They are not measured, so that every run on a kind of card decides the same.

    Arguments
    ---------
    encoder : SpeechEncoder
        Its weights and their type count.
    device : torch.device
        Where it runs.
    capability : int
        The major compute capability of a CUDA GPU.

    Returns
    -------
    bool

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_model
    >>> encoder = tiny_model(getfixture("tmp_path")).encoder
    >>> copying_pays(encoder, torch.device("cpu")), copying_pays(encoder, torch.device("cuda"), capability=9)
    (True, False)
    """
    if device.type != "cuda":
        return True
    weights = list(encoder.parameters())
    half = bool(weights) and weights[0].dtype in (torch.bfloat16, torch.float16)
    flops = HALF_FLOPS[max((known for known in HALF_FLOPS if known <= capability), default=8)] if half else FULL_FLOPS
    computing = 2 * sum(weight.numel() for weight in weights) * encoder.frame_rate / flops
    return encoder.layer_count * encoder.frame_rate * encoder.width * 2 / COPIED_BYTES < computing
