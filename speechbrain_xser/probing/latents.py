"""The three views of a clip that are probed: plain weighted sum, content latents, descriptor latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

import torch
from torch import Tensor
from tqdm import tqdm

from speechbrain_xser.data.faults import FaultCounter
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import collate, dataset
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.modes import evaluating

VIEWS = ("weighted sum", "content", "descriptor")
BATCH = 16


class Clip(NamedTuple):
    """One utterance in all views."""

    utterance: Utterance
    frames: dict[str, Tensor]  # by view, [T, Z] or [T, d], float32

    def pooled(self, view: str) -> Tensor:
        """Mean and standard deviation over the frames, [2 Z].

        Example
        -------
        >>> clip = Clip(Utterance("a", "a.wav"), {"content": torch.tensor([[1.0], [3.0]])})
        >>> clip.pooled("content")
        tensor([2., 1.])
        """
        frames = self.frames[view]
        return torch.cat([frames.mean(0), frames.std(0, correction=0)])


def read_clips(
    model: ExplainableSER, manifest: str, data_folder: str | None, max_seconds: float, limit: int | None = None
) -> list[Clip]:
    """The clips of a manifest, as a model hears them.

    Arguments
    ---------
    model : ExplainableSER
        Trained.
    manifest : str
        JSONL.
    data_folder : str, optional
        What {data_root} in the manifest stands for.
    max_seconds : float
        Longer clips are left out.
    limit : int, optional
        So many clips at most, drawn by a checksum of their ids: every n-th of a manifest in the order of file names may
        leave out whole classes.

    Returns
    -------
    list of Clip

    Raises
    ------
    ManifestError
        If the manifest is wrong.
    TrainingError
        If more than one clip in a hundred cannot be read.
    """
    clips = dataset(manifest, data_folder, max_seconds, skip_long=True)
    chosen = sorted(range(len(clips)), key=lambda index: crc32(clips.data_ids[index].encode("utf-8")))[:limit]
    unreadable, found = FaultCounter(len(chosen)), []
    for start in tqdm(range(0, len(chosen), BATCH), desc="listening", unit="batch"):
        batch = collate([clips[index] for index in chosen[start : start + BATCH]])
        unreadable.add(batch.faults)
        if batch.utterances:
            found += _clips(model, batch.wavs, batch.samples, batch.utterances)
    return found


def _clips(model: ExplainableSER, wavs: Tensor, samples: Tensor, utterances: Sequence[Utterance]) -> Iterator[Clip]:
    with evaluating(model), torch.no_grad():
        states = model.encoder(wavs, samples)
        views = {
            "weighted sum": states.layers.float().mean(0),
            "content": model.content.bottleneck(states).z,
            "descriptor": model.descriptor.bottleneck(states).z,
        }
    for row, (utterance, count) in enumerate(zip(utterances, states.frames.tolist(), strict=True)):
        yield Clip(utterance, {view: frames[row, :count].float().clone() for view, frames in views.items()})
