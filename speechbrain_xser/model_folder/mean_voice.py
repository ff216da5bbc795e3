"""The mean voice of a training set, as a model folder keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.model_folder.locate import MEAN_VOICE
from speechbrain_xser.model_folder.plain_files import check_size
from speechbrain_xser.stages import VOICE
from speechbrain_xser.utils.lengths import valid_mask
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER


class MeanVoice(NamedTuple):
    """The average latent of a descriptor branch."""

    latent: Tensor  # [Z] float32
    clips: int  # number of clips in the average


def device_of(model: ExplainableSER) -> torch.device:
    """The device of a model's own parameters."""
    return next(model.branches.parameters()).device


def voice_tokens(model: ExplainableSER, voice: MeanVoice, frames: Tensor) -> SoftTokens:
    """The soft tokens of clips that are spoken in the mean voice.

    Arguments
    ---------
    model : ExplainableSER
        The model that the voice belongs to.
    voice : MeanVoice
        Latent [Z].
    frames : Tensor
        Frames of each clip, [B] int64.

    Returns
    -------
    SoftTokens
        Embeddings [B, K, e] and counts [B].
    """
    adapter = model.branches[VOICE].adapter
    z = voice.latent.to(device_of(model)).expand(len(frames), int(frames.max()), -1)
    z = z * valid_mask(frames, z.shape[1], z.device)[..., None]
    with evaluating(adapter), torch.no_grad():
        kind = next((weight.dtype for weight in adapter.parameters()), z.dtype)  # FrameTokens has none
        return adapter(z.to(kind), frames)


def write_mean_voice(folder: str | Path, voice: MeanVoice) -> None:
    """Writes a mean voice into a model folder."""
    tensors = {"latent": voice.latent.contiguous(), "clips": torch.tensor(voice.clips)}
    Path(folder, MEAN_VOICE).write_bytes(save(tensors))


def read_mean_voice(folder: str | Path, model: ExplainableSER | None = None) -> MeanVoice | None:
    """Reads the mean voice of a model folder.

    Arguments
    ---------
    folder : str or Path
        A model folder.
    model : ExplainableSER, optional
        The model whose latents it must fit.

    Returns
    -------
    MeanVoice or None
        None if the folder has none.

    Raises
    ------
    CheckpointError
        If the file is damaged, or belongs to another model.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_mean_voice(folder, MeanVoice(torch.ones(4), 3))
    >>> read_mean_voice(folder).clips, read_mean_voice(folder / "elsewhere")
    (3, None)
    """
    path = Path(folder, MEAN_VOICE)
    if not path.is_file():
        return None
    try:
        check_size(path)
        tensors = load_file(path)
        voice = MeanVoice(tensors["latent"].float(), int(tensors["clips"]))
        if voice.latent.dim() != 1 or not voice.latent.isfinite().all():
            raise ValueError(f"a latent of shape {list(voice.latent.shape)}, not one finite vector")
        if model is not None:
            voice_tokens(model, voice, torch.tensor([1]))
        return voice
    except Exception as error:  # whatever a damaged file ends in
        raise CheckpointError(
            f"{path}: damaged ({error}), expected a mean voice; download it again, or remove it"
        ) from error
