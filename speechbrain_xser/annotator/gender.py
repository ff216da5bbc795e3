"""Estimates gender from the voice if no metadata gives it; an unclear voice gets none.

A logistic regression over the pitch and the shape of the spectrum below 5 kHz (which follows the length of the vocal
tract), over voiced speech frames. ``recipes/Annotator/train_gender.py`` fitted the weights; ``gender.json`` says on
which speech.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torchaudio

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard

SAMPLE_RATE = 16000
WINDOW = 512  # samples
HIGHEST_HERTZ = 5000.0  # some corpora have nothing above
BANDS, CEPSTRA = 40, 24
PITCH_PERCENTILES = (0.1, 0.2, 0.5, 0.8, 0.9)
FEWEST_VOICED = 10  # frames
MOST_CERTAIN = 4.0  # limit of one clip's log odds in a speaker's mean, so that no clip decides alone
MINIMUM_LOG_ODDS = 1.0  # natural; smaller magnitudes give no gender


def gender_log_odds(heard: Heard) -> float | None:
    """How much likelier a clip's voice is a woman's than a man's.

    Arguments
    ---------
    heard : Heard
        The clip.

    Returns
    -------
    float or None
        Natural log odds, positive for female; None for fewer than ten voiced frames.

    Example
    -------
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> gender_log_odds(hear(torch.zeros(16000))) is None
    True
    """
    features = gender_features(heard)
    if features is None:
        return None
    model = _model()
    return float((features - model["mean"]) / model["scale"] @ model["weights"] + model["bias"])


def gender_of(log_odds: float, minimum: float = MINIMUM_LOG_ODDS) -> str | None:
    """The word for a clip's log odds.

    Arguments
    ---------
    log_odds : float
        As :func:`gender_log_odds` gives it.
    minimum : float
        Smaller magnitudes give None.

    Returns
    -------
    str or None
        ``"female"``, ``"male"``, or None if the voice is unclear.

    Example
    -------
    >>> [gender_of(log_odds) for log_odds in (3.0, -3.0, 0.2)]
    ['female', 'male', None]
    """
    return None if abs(log_odds) < minimum else "female" if log_odds > 0 else "male"


def speaker_gender(log_odds: Iterable[float]) -> str | None:
    """The word for a speaker, from the mean over the speaker's clips.

    Arguments
    ---------
    log_odds : iterable of float
        One for each clip, clipped to between -4 and 4.

    Returns
    -------
    str or None
        As :func:`gender_of`; None for no clips.

    Example
    -------
    >>> speaker_gender([2.0, 9.0, -1.0]), speaker_gender([])
    ('female', None)
    """
    clips = list(log_odds)
    return gender_of(float(np.clip(clips, -MOST_CERTAIN, MOST_CERTAIN).mean())) if clips else None


def gender_features(heard: Heard) -> np.ndarray | None:
    """The features that the estimate uses; independent of gain and of silence around the clip.

    Arguments
    ---------
    heard : Heard
        The clip.

    Returns
    -------
    np.ndarray or None
        Percentiles of the pitch in semitones above 100 Hz, then 24 cepstral coefficients of the mean log spectrum
        below 5 kHz, [29] float64; None for fewer than ten voiced frames.

    Example
    -------
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> gender_features(hear(torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)))[2].round()
    np.float64(12.0)
    """
    frames = (heard.speech & (heard.hertz > 0)).nonzero().flatten()
    if len(frames) < FEWEST_VOICED:
        return None
    semitones = 12 * (heard.hertz[frames].double() / 100).log2()
    padded = torch.nn.functional.pad(heard.wav, (WINDOW // 2, WINDOW // 2))
    cut = padded.unfold(0, WINDOW, round(HOP_SECONDS * SAMPLE_RATE))
    windows = cut[frames[frames < len(cut)]] * torch.hann_window(WINDOW)
    power = torch.fft.rfft(windows).abs().square() @ _filters()
    shape = (power / power.sum(1, keepdim=True) + 1e-6).log().mean(0)
    cepstra = torchaudio.functional.create_dct(CEPSTRA + 1, BANDS, "ortho").T @ shape
    pitch = semitones.quantile(torch.tensor(PITCH_PERCENTILES, dtype=torch.float64))
    return torch.cat([pitch, cepstra[1:].double()]).numpy()


@cache
def _filters() -> torch.Tensor:
    return torchaudio.functional.melscale_fbanks(WINDOW // 2 + 1, 60.0, HIGHEST_HERTZ, BANDS, SAMPLE_RATE)


@cache
def _model() -> dict[str, np.ndarray]:
    stored = json.loads(Path(__file__).with_name("gender.json").read_text(encoding="utf-8"))
    return {name: np.array(stored[name]) for name in ("mean", "scale", "weights", "bias")}
