"""The views of a clip that are probed: the plain weighted sum, and the latents of each branch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.subset import sampled_batches
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.utils.modes import evaluating

SUM = "weighted sum"  # of the encoder's layers in equal parts, before any bottleneck


class ClipLatents(NamedTuple):
    """One utterance in all views."""

    utterance: Utterance
    frames: dict[str, Tensor]  # by view, [T, Z] or [T, d], float32

    def pooled(self, view: str) -> Tensor:
        """Mean and standard deviation over the frames, [2 Z].

        Example
        -------
        >>> clip = ClipLatents(Utterance("a", "a.wav"), {"content": torch.tensor([[1.0], [3.0]])})
        >>> clip.pooled("content")
        tensor([2., 1.])
        """
        frames = self.frames[view]
        return torch.cat([frames.mean(0), frames.std(0, correction=0)])


def read_clips(
    model: ExplainableSER,
    manifest: str,
    data_folder: str | None,
    max_seconds: float,
    limit: int | None = None,
    cut_silence: bool = False,
) -> list[ClipLatents]:
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
        So many clips at most, drawn by :func:`~speechbrain_xser.data.subset.sampled_batches`.
    cut_silence : bool
        Whether the model hears clips without the silence before and after speech.

    Returns
    -------
    list of ClipLatents

    Raises
    ------
    ManifestError
        If the manifest is wrong.
    TrainingError
        If more than one clip in a hundred cannot be read.
    """
    batches = sampled_batches(manifest, data_folder, max_seconds, limit, cut_silence=cut_silence)
    return [clip for batch in batches for clip in _clips(model, batch.wavs, batch.samples, batch.utterances)]


def _clips(
    model: ExplainableSER, wavs: Tensor, samples: Tensor, utterances: Sequence[Utterance]
) -> Iterator[ClipLatents]:
    with evaluating(model), torch.no_grad():
        states = model.states(wavs, samples)
        views = {SUM: (states.layers.float().mean(0), states.frames)}
        for name, branch in model.branches.items():
            latent = branch.bottleneck(states)
            views[name] = latent.z, latent.frames
    for row, utterance in enumerate(utterances):
        found = {view: z[row, : int(frames[row])].float().clone() for view, (z, frames) in views.items()}
        yield ClipLatents(utterance, found)
