"""What the annotator says of a clip, by the package's own bounds of low and high, so that corpora agree.

Pitch, speed, intonation and emphasis are measured before noise and rooms can disturb them; the volume is that of the
clip as it is heard.
"""

from __future__ import annotations

from torch import Tensor

from speechbrain_xser.annotator.cutoffs import reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.level import frame_decibels, speech_decibels, speech_frames
from speechbrain_xser.annotator.measures import Measures, measure


def spoken_descriptors(wave: Tensor, transcript: str, gender: str) -> dict[str, str | list[str] | None]:
    """How a clean wave is spoken.

    Arguments
    ---------
    wave : Tensor
        [S], 16 kHz.
    transcript : str
        What is said.
    gender : str
        male or female, for what is low and high.

    Returns
    -------
    dict
        ``pitch, speed, intonation, emphasis``, fit for JSON; None where it cannot be measured.

    Example
    -------
    >>> import torch
    >>> tone = 0.1 * torch.sin(6.2832 * 300 * torch.arange(16000) / 16000)
    >>> spoken_descriptors(tone, "Ah", "male")["pitch"]
    'high'
    """
    found = descriptors_of(measure(wave, transcript), reference_cutoffs(), transcript, gender)
    emphasis = found["emphasis"] and list(found["emphasis"])
    return {"pitch": found["pitch"], "speed": found["speed"], "intonation": found["intonation"], "emphasis": emphasis}


def volume_of(wave: Tensor) -> str | None:
    """How loud the speech of a clip is.

    Arguments
    ---------
    wave : Tensor
        [S], 16 kHz, full scale is 1.

    Returns
    -------
    str or None
        low, normal or high; None where there is no speech.

    Example
    -------
    >>> import torch
    >>> tone = torch.sin(6.2832 * 300 * torch.arange(16000) / 16000)
    >>> volume_of(0.001 * tone), volume_of(0.5 * tone)
    ('low', 'high')
    """
    decibels = frame_decibels(wave - wave.mean())
    level = speech_decibels(decibels, speech_frames(decibels))
    return descriptors_of(Measures(level_decibels=level), reference_cutoffs())["volume"]
