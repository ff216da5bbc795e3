"""The pauses of a clip: silence of a quarter of a second and more between two stretches of speech."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard


class Pauses(NamedTuple):
    """The pauses of one clip; silence before and after all speech is none."""

    count: int
    seconds: float  # of all of them


def pauses_of(heard: Heard) -> Pauses:
    """Counts the pauses of a clip.

    Arguments
    ---------
    heard : Heard
        The clip, trimmed.

    Returns
    -------
    Pauses

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> tone = torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    >>> found = pauses_of(hear(torch.cat([tone, torch.zeros(8000), tone])))
    >>> found.count, abs(found.seconds - 0.5) < 0.08  # frames overlap the tones
    (1, True)
    """
    spoken = heard.speech.nonzero().flatten()
    if not len(spoken):
        return Pauses(0, 0.0)
    values, counts = heard.speech[spoken[0] : spoken[-1] + 1].unique_consecutive(return_counts=True)
    silent = counts[~values]
    return Pauses(len(silent), round(int(silent.sum()) * HOP_SECONDS, 2))
