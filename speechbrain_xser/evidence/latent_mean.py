"""Computes the mean voice of a training set: what the descriptor branch has on average, for comparison with a clip.

It is the mean of the descriptor latents over the frames of some hundred training clips. In place of a clip's own voice,
it gives the label that the words alone suggest, in an average voice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from speechbrain_xser.model_folder.mean_voice import MeanVoice, device_of
from speechbrain_xser.stages import SER_STAGE, VOICE, Stage
from speechbrain_xser.utils.lengths import valid_mask
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.model import ExplainableSER

CLIPS = 512  # of a training set; the standard error of their mean is about a tenth of its size


@torch.no_grad()
def mean_voice(model: ExplainableSER, batches: Iterable[Batch], stage: Stage = SER_STAGE) -> MeanVoice | None:
    """The mean descriptor latent over all frames of some clips.

    Arguments
    ---------
    model : ExplainableSER
        A trained model.
    batches : iterable of Batch
        For example from :func:`~speechbrain_xser.data.subset.sampled_batches`.
    stage : Stage
        A stage in which the descriptor branch is on.

    Returns
    -------
    MeanVoice or None
        None if the descriptor branch is missing or off in the stage, or there is no clip.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.data.subset import sampled_batches
    >>> from speechbrain_xser.testing import tiny_manifest, tiny_model
    >>> place = tempfile.mkdtemp()
    >>> voice = mean_voice(tiny_model(place), sampled_batches(tiny_manifest(place, clips=2), None, 30.0))
    >>> voice.clips, voice.latent.dtype
    (2, torch.float32)
    """
    total, frames, clips = 0.0, 0, 0
    alone = stage._replace(branches={VOICE: stage.mode(VOICE)})  # others cost time, a recogniser of words most
    for batch in batches:
        with evaluating(model):
            outputs = model.encode_branches(batch.wavs.to(device_of(model)), batch.samples, alone)
            latent = outputs[VOICE].latent if VOICE in outputs else None
        if latent is None:
            return None
        valid = valid_mask(latent.frames, latent.z.shape[1], latent.z.device)
        total = total + latent.z[valid].cpu().double().sum(0)
        frames, clips = frames + int(latent.frames.sum()), clips + len(batch.samples)
    return MeanVoice((total / frames).float(), clips) if clips else None
