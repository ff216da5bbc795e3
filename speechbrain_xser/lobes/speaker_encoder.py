"""The speaker encoder at hand: SpeechBrain's ECAPA-TDNN, else Resemblyzer's, which ``xser setup speakers`` brings."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from huggingface_hub import try_to_load_from_cache
from torch import Tensor

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.folders import whole_folder
from speechbrain_xser.utils.user_cache import RESEMBLYZER_FOLDER, user_cache

ECAPA_ID = "speechbrain/spkrec-ecapa-voxceleb"
ECAPA_WEIGHTS = "embedding_model.ckpt"


class SpeakerEncoder(Protocol):
    """Whatever says whose voice a clip has."""

    name: str  # for readers
    apart: float  # cosine distance from which two groups of moments have two speakers

    def embed(self, wav: Tensor) -> Tensor:
        """The voice of a clip [S] at 16 kHz, as [E] of unit length."""


def speaker_encoder(folder: str | Path | None = None) -> SpeakerEncoder:
    """Finds and loads a speaker encoder; nothing is downloaded.

    Arguments
    ---------
    folder : str, Path or None
        A folder with SpeechBrain's ECAPA-TDNN (``embedding_model.ckpt``). By default, the one in the cache in which
        SpeechBrain keeps what it downloads, else Resemblyzer's.

    Returns
    -------
    SpeakerEncoder

    Raises
    ------
    BackboneError
        If none is there, or its weights are damaged.

    Example
    -------
    >>> speaker_encoder("nowhere")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.BackboneError: nowhere: holds no embedding_model.ckpt; give the folder of SpeechBrain's \
    ECAPA-TDNN, for example what EncoderClassifier has written as savedir
    """
    if (path := _given(folder) if folder is not None else _cached()) is not None:
        from speechbrain_xser.lobes.ecapa import EcapaEncoder  # SpeechBrain is slow to load

        return EcapaEncoder.from_file(path)
    from speechbrain_xser.lobes.voice_encoder import VoiceEncoder

    return VoiceEncoder.from_folder(_set_up())


def _given(folder: str | Path) -> Path:
    path = Path(folder, ECAPA_WEIGHTS)
    if not path.is_file():
        raise BackboneError(
            f"{folder}: holds no {ECAPA_WEIGHTS}; give the folder of SpeechBrain's ECAPA-TDNN, for example what "
            "EncoderClassifier has written as savedir"
        )
    return path


def _cached() -> Path | None:
    """Where the hub's cache holds ECAPA-TDNN, if SpeechBrain has downloaded it before."""
    found = try_to_load_from_cache(ECAPA_ID, ECAPA_WEIGHTS)
    return Path(found) if isinstance(found, str) else None


def _set_up() -> Path:
    folder = Path(whole_folder(user_cache() / RESEMBLYZER_FOLDER))
    if not folder.is_dir():
        raise BackboneError(
            f"no speaker encoder is here: say `xser setup speakers` once (16 MB), or give --speaker-model a folder "
            f"with SpeechBrain's {ECAPA_ID}"
        )
    return folder
