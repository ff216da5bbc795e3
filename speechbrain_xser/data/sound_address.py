"""A clip's sound inside a page: FLAC of 16 bits, which every browser plays, as a data URL."""

from __future__ import annotations

import base64
import io

import soundfile
from torch import Tensor

FLAC = "audio/flac"

def sound_address(wav: Tensor, sample_rate: int) -> str:
    """A data URL that holds a clip.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], full scale 1; what is louder is cut off.
    sample_rate : int
        Samples per second.

    Returns
    -------
    str
        For speech at 16 kHz, about 25 kilobytes a second.

    Example
    -------
    >>> import torch
    >>> sound_address(torch.zeros(16000), 16000)[:27]
    'data:audio/flac;base64,Zkxh'
    """
    return f"data:{FLAC};base64,{base64.b64encode(flac_file(wav, sample_rate)).decode('ascii')}"


def flac_file(wav: Tensor, sample_rate: int) -> bytes:
    """The content of a FLAC file with a clip; arguments as for :func:`sound_address`.

    Example
    -------
    >>> import torch
    >>> flac_file(torch.zeros(800), 16000)[:4]
    b'fLaC'
    """
    file = io.BytesIO()
    soundfile.write(file, wav.clamp(-1, 1).numpy(), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
