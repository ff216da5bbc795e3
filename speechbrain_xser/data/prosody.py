"""Prosody as numbers: a pitch track by normalised cross-correlation, and functionals over an utterance.

The functionals follow eGeMAPS (Eyben et al., 2016, IEEE TAC 7(2)) in its four groups, pitch, loudness, rate and
spectrum, but are not identical to it. Everything is torch on the CPU; a clip of 2.5 s takes about 15 ms.

Would move to ``speechbrain/processing``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torchaudio
from torch import Tensor

from speechbrain_xser.errors import AudioError

HOP_SECONDS = 0.010
WINDOW_SECONDS = 0.025  # for the correlation and the energy
LOWEST_HERTZ = 60.0
HIGHEST_HERTZ = 500.0
VOICING_THRESHOLD = 0.6  # of the normalised cross-correlation
QUIET_DECIBELS = 30.0  # a frame further below the clip's loud frames is a pause
SHORT_LAG_BONUS = 0.2  # prefers the higher octave, whose lag correlates equally well
REFERENCE_HERTZ = 27.5  # the origin of semitones, as in eGeMAPS
FLOOR = 1e-10


class PitchTrack(NamedTuple):
    """Pitch and energy every 10 ms."""

    hertz: Tensor  # [T] float32, 0 where unvoiced
    correlation: Tensor  # [T] float32, height of the chosen peak, at most 1
    decibels: Tensor  # [T] float32, RMS of the frame re full scale, floor -100


def _frames(wav: Tensor, length: int, hop: int) -> Tensor:
    """Cuts a waveform [S] into frames [T, length], zero-padded at the end so that T is at least one."""
    count = max(1, (len(wav) - length) // hop + 1)
    padded = torch.nn.functional.pad(wav, (0, max(0, (count - 1) * hop + length - len(wav))))
    return padded.unfold(0, length, hop)[:count]


def _correlation(frames: Tensor, window: int, longest_lag: int) -> Tensor:
    """Normalised cross-correlation of each frame's first ``window`` samples with its later ones, [T, lags + 1].

    ``r(lag) = sum_t x(t) x(t + lag) / sqrt(sum_t x(t)^2 * sum_t x(t + lag)^2)``, t in 0..window-1 (Talkin, 1995).
    """
    size = 1 << (frames.shape[1] - 1).bit_length()
    head = torch.fft.rfft(frames[:, :window], size)
    product = torch.fft.irfft(head.conj() * torch.fft.rfft(frames, size), size)[:, : longest_lag + 1]
    power = torch.nn.functional.pad(frames.double().square().cumsum(1), (1, 0))
    energy = (power[:, window : window + longest_lag + 1] - power[:, : longest_lag + 1]).clamp_min(FLOOR)
    return product / (energy[:, :1] * energy).sqrt().float()


def _peaks(correlation: Tensor, shortest_lag: int) -> tuple[Tensor, Tensor]:
    """The best lag of each frame, in fractional samples, and the correlation there."""
    lags = torch.arange(correlation.shape[1])
    inner = correlation[:, 1:-1]
    is_peak = (inner >= correlation[:, :-2]) & (inner >= correlation[:, 2:]) & (lags[1:-1] >= shortest_lag)
    score = inner * (1 - SHORT_LAG_BONUS * lags[1:-1] / lags[-1])
    best = score.masked_fill(~is_peak, -1.0).argmax(1, keepdim=True) + 1
    before, peak, after = (correlation.gather(1, best + step).squeeze(1) for step in (-1, 0, 1))
    curve = (before - 2 * peak + after).clamp(max=-1e-6)
    return best.squeeze(1) + (0.5 * (before - after) / curve).clamp(-0.5, 0.5), peak


def pitch_track(wav: Tensor, sample_rate: int = 16000) -> PitchTrack:
    """Tracks the pitch of one utterance.

    A frame is voiced if the correlation's best peak reaches 0.6 and the frame is at most 30 dB below the 95th
    percentile of the clip's frames. A median over five frames removes single errors.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], full scale at 1.
    sample_rate : int
        Samples per second.

    Returns
    -------
    PitchTrack
        Tracks of equal length T, at least 1.

    Raises
    ------
    AudioError
        If the waveform is empty, not one-dimensional, or not finite.

    Example
    -------
    >>> tone = torch.sin(2 * math.pi * 200 * torch.arange(16000) / 16000)
    >>> pitch_track(tone).hertz.median().round()
    tensor(200.)
    >>> pitch_track(torch.zeros(16000)).hertz.max()
    tensor(0.)
    """
    if wav.ndim != 1 or not len(wav) or not torch.isfinite(wav).all():
        raise AudioError(f"Expected finite samples of shape [S], found shape {list(wav.shape)}: check the audio file.")
    window, hop = round(WINDOW_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)
    longest_lag = math.ceil(sample_rate / LOWEST_HERTZ)
    frames = _frames(wav.float(), window + longest_lag, hop)
    lag, correlation = _peaks(_correlation(frames, window, longest_lag), math.floor(sample_rate / HIGHEST_HERTZ))
    decibels = 20 * frames[:, :window].square().mean(1).sqrt().clamp_min(1e-5).log10()
    voiced = (correlation >= VOICING_THRESHOLD) & (decibels > decibels.quantile(0.95) - QUIET_DECIBELS)
    hertz = torch.where(voiced & (decibels > -100), sample_rate / lag, torch.zeros_like(lag))
    smooth = torch.nn.functional.pad(hertz, (2, 2)).unfold(0, 5, 1).median(1).values
    return PitchTrack(smooth, correlation, decibels)


def _spread(name: str, values: Tensor) -> dict[str, float]:
    """Mean, standard deviation, percentiles and range of values [N]; all zero if there are none."""
    if not len(values):
        values = torch.zeros(1)
    low, middle, high = values.quantile(torch.tensor([0.2, 0.5, 0.8])).tolist()
    moments = {"mean": values.mean().item(), "deviation": values.std(correction=0).item()}
    spread = {**moments, "p20": low, "p50": middle, "p80": high, "range": high - low}
    return {f"{name}_{key}": value for key, value in spread.items()}


def _slope(values: Tensor, seconds: Tensor) -> float:
    """Least-squares slope of values [N] per second; zero for fewer than two."""
    if len(values) < 2:
        return 0.0
    centred = seconds - seconds.mean()
    return ((centred * values).sum() / centred.square().sum()).item()


def _moves(name: str, values: Tensor, adjacent: Tensor) -> dict[str, float]:
    """Mean rise and mean fall between adjacent frames, per second."""
    step = (values.diff() / HOP_SECONDS)[adjacent]
    rise, fall = step[step > 0], step[step < 0]
    return {
        f"{name}_rise": rise.mean().item() if len(rise) else 0.0,
        f"{name}_fall": fall.mean().item() if len(fall) else 0.0,
    }


def _pitch(track: PitchTrack) -> dict[str, float]:
    voiced = track.hertz > 0
    semitones = 12 * (track.hertz.clamp_min(1.0) / REFERENCE_HERTZ).log2()
    seconds = torch.arange(len(semitones)) * HOP_SECONDS
    return {
        **_spread("pitch", semitones[voiced]),
        **_moves("pitch", semitones, voiced[1:] & voiced[:-1]),
        "pitch_slope": _slope(semitones[voiced], seconds[voiced]),
        "correlation_mean": track.correlation[voiced].mean().item() if voiced.any() else 0.0,
    }


def _energy(track: PitchTrack) -> dict[str, float]:
    everywhere = torch.ones(len(track.decibels) - 1, dtype=torch.bool)
    loud = track.decibels > track.decibels.quantile(0.95) - QUIET_DECIBELS
    return {
        **_spread("energy", track.decibels[loud]),
        **_moves("energy", track.decibels, everywhere),
        "energy_max": track.decibels.max().item(),
    }


def _rate(track: PitchTrack) -> dict[str, float]:
    voiced = (track.hertz > 0).float()
    loud = (track.decibels > track.decibels.quantile(0.95) - QUIET_DECIBELS).nonzero().flatten()
    speech_seconds = (loud[-1] - loud[0] + 1).item() * HOP_SECONDS
    inside = track.decibels[loud[0] : loud[-1] + 1]
    segments = (torch.nn.functional.pad(voiced, (1, 0)).diff() > 0).sum().item()
    return {
        "speech_seconds": speech_seconds,
        "voiced_share": voiced.sum().item() * HOP_SECONDS / speech_seconds,
        "voiced_segments_per_second": segments / speech_seconds,
        "voiced_segment_seconds": voiced.sum().item() * HOP_SECONDS / max(1, segments),
        "pause_share": 1 - len(loud) / len(inside),
    }


def _spectrum(wav: Tensor, sample_rate: int, track: PitchTrack) -> dict[str, float]:
    """Centroid, tilt below 5 kHz, share above 1 kHz and flux, over all frames except pauses."""
    window, hop = round(WINDOW_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)
    frames = _frames(wav.float(), window, hop)[: len(track.decibels)]
    power = torch.fft.rfft(frames * torch.hann_window(window), 512).abs().square()
    hertz = torch.linspace(0, sample_rate / 2, power.shape[1])
    power = power[track.decibels[: len(power)] > track.decibels.quantile(0.95) - QUIET_DECIBELS] + FLOOR
    band = (hertz >= 100) & (hertz <= 5000)
    kilohertz = hertz[band] / 1000 - (hertz[band] / 1000).mean()
    tilt = (10 * power[:, band].log10() * kilohertz).sum(1) / kilohertz.square().sum()
    shape = power / power.sum(1, keepdim=True)
    return {
        **_spread("centroid_hertz", (shape * hertz).sum(1)),
        **_spread("tilt_decibels_per_kilohertz", tilt),
        **_spread("share_above_1_kilohertz", shape[:, hertz >= 1000].sum(1)),
        "flux_mean": shape.diff(dim=0).square().sum(1).sqrt().mean().nan_to_num().item(),
    }


def prosody_functionals(wav: Tensor, sample_rate: int = 16000, track: PitchTrack | None = None) -> dict[str, float]:
    """Describes how an utterance is spoken by about forty numbers.

    Pitch in semitones above 27.5 Hz over voiced frames, energy in dB re full scale, rate as voiced segments (a proxy
    for syllables) over the time from the first to the last loud frame, spectrum over loud frames.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], full scale at 1.
    sample_rate : int
        Samples per second.
    track : PitchTrack, optional
        The track of the same clip, if it is known already.

    Returns
    -------
    dict[str, float]
        Finite numbers by name, the same names for every clip.

    Raises
    ------
    AudioError
        As :func:`pitch_track`.

    Example
    -------
    >>> tone = torch.sin(2 * math.pi * 220 * torch.arange(16000) / 16000)
    >>> quiet, loud = (prosody_functionals(gain * tone) for gain in (0.05, 0.5))
    >>> round(loud["energy_mean"] - quiet["energy_mean"]), round(quiet["pitch_p50"])
    (20, 36)
    """
    track = pitch_track(wav, sample_rate) if track is None else track
    return {**_pitch(track), **_energy(track), **_rate(track), **_spectrum(wav, sample_rate, track)}


def cepstral_functionals(wav: Tensor, sample_rate: int = 16000, count: int = 13) -> dict[str, float]:
    """Mean and standard deviation of mel-frequency cepstral coefficients over an utterance.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], full scale at 1.
    sample_rate : int
        Samples per second.
    count : int
        Number of coefficients, including the zeroth.

    Returns
    -------
    dict[str, float]
        Twice ``count`` numbers by name.

    Example
    -------
    >>> len(cepstral_functionals(torch.randn(16000)))
    26
    """
    window, hop = round(WINDOW_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)
    mel = {"n_fft": 512, "win_length": window, "hop_length": hop, "n_mels": 40, "f_max": 5500.0}
    padded = torch.nn.functional.pad(wav.float(), (0, max(0, 512 - len(wav))))
    coefficients = torchaudio.transforms.MFCC(sample_rate, count, melkwargs=mel)(padded)
    mean, deviation = coefficients.mean(1).tolist(), coefficients.std(1, correction=0).tolist()
    return {
        **{f"mfcc{i}_mean": value for i, value in enumerate(mean)},
        **{f"mfcc{i}_deviation": value for i, value in enumerate(deviation)},
    }
