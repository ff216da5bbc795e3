"""Pitch by the accurate autocorrelation of Boersma (1993), with the cheapest path through each frame's candidates.

P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", IFA Proceedings 17. It is the method behind Praat's "To Pitch (ac)", with the same defaults, so the two tracks
can be compared frame by frame. Halving and doubling are repaired twice: the path makes an octave jump dear, and a
second path keeps to the speaker's own range in this clip, in the way of Hirst's two passes. What it costs is a loop
over the frames. Every frame is centred on its time: frame t looks to both sides of ``t * 10 ms``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from speechbrain_xser.data.prosody import FLOOR, HOP_SECONDS, _frames
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.versions import install_hint

SAMPLE_RATE = 16000
HOP = round(HOP_SECONDS * SAMPLE_RATE)
LOWEST_HERTZ = 75.0
HIGHEST_HERTZ = 600.0  # emotional voices pass 500 Hz
WINDOW_SECONDS = 3 / LOWEST_HERTZ  # three of the longest periods
FRAMES_AT_ONCE = 1000  # a long clip needs no more memory than this many frames
FINER = 2  # the correlation is interpolated to this many points a sample
IMPOSSIBLE = -1e9  # strength of what is no candidate
CANDIDATES = 6  # peaks of a frame that may be its pitch
VOICING_THRESHOLD = 0.45  # a lower peak is unvoiced
SILENCE_THRESHOLD = 0.03  # of the clip's peak; a quieter frame is unvoiced
OCTAVE_COST = 0.01  # an octave lower must correlate this much better
JUMP_COST = 0.35  # of an octave between two frames
VOICING_COST = 0.14  # of going from voiced to unvoiced or back
RANGE_BELOW, RANGE_ABOVE = 0.6, 2.0  # times the lower and the upper quartile of the first path: bounds of the second
FEWEST_VOICED = 10  # frames of the first path, else its quartiles mean nothing


def centred_frames(wav: Tensor, length: int) -> Tensor:
    """Frames every 10 ms, each with its time in the middle.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], 16 kHz.
    length : int
        Samples of a frame, an even number.

    Returns
    -------
    Tensor
        [T, length], ``T = S // 160 + 1``; zeros beyond both ends of the clip.

    Example
    -------
    >>> centred_frames(torch.arange(1.0, 321.0), 4)[:, 2]
    tensor([  1., 161.,   0.])
    """
    return _frames(torch.nn.functional.pad(wav, (length // 2, length // 2)), length, HOP)


def correlation_track(wav: Tensor) -> Tensor:
    """Pitch of a clip by this module's own method.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], 16 kHz, of any gain.

    Returns
    -------
    Tensor
        Hertz, [T] float32 at ``t * 10 ms``, 0 where unvoiced.

    Example
    -------
    >>> tone = torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    >>> correlation_track(tone)[3:-3].round().unique()
    tensor([200.])
    """
    frames = centred_frames(wav.float() / wav.abs().max().clamp_min(FLOOR), round(WINDOW_SECONDS * SAMPLE_RATE))
    states = [_states(some) for some in frames.split(FRAMES_AT_ONCE)]
    return torch.from_numpy(_two_paths(*(np.concatenate(parts) for parts in zip(*states, strict=True)))).float()


def praat_track(wav: Tensor) -> Tensor:
    """Pitch of a clip by Praat's "To Pitch (ac)", at the same times and with the same defaults.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], 16 kHz.

    Returns
    -------
    Tensor
        Hertz, [T] float32 at ``t * 10 ms``, 0 where unvoiced.

    Raises
    ------
    SettingsError
        If parselmouth is not installed; it is under the GPL, so it is not a requirement.

    Example
    -------
    >>> _ = __import__("pytest").importorskip("parselmouth")
    >>> tone = torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    >>> praat_track(tone)[3:-3].round().unique()
    tensor([200.])
    """
    try:
        import parselmouth
    except ImportError as error:
        raise SettingsError(
            f"tracker 'praat': parselmouth is not installed. Run: {install_hint('praat')}, or use tracker "
            "'correlation'."
        ) from error
    count, quarter = len(wav) // HOP + 1, HOP // 4  # Praat centres its frames in the sound: room for exactly these
    before = round(WINDOW_SECONDS * SAMPLE_RATE / 2) + quarter
    padded = np.zeros(2 * before + (count - 1) * HOP)
    padded[before : before + len(wav)] = wav[: len(padded) - before].double().numpy()
    sound = parselmouth.Sound(padded, SAMPLE_RATE)
    pitch = sound.to_pitch_ac(time_step=HOP_SECONDS, pitch_floor=LOWEST_HERTZ, pitch_ceiling=HIGHEST_HERTZ)
    return torch.from_numpy(pitch.selected_array["frequency"]).float()


TRACKERS = {"correlation": correlation_track, "praat": praat_track}


def _states(frames: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each frame can be: hertz and strength of its candidates, both [T, CANDIDATES], and of no voice, [T]."""
    frames = frames - frames.mean(1, keepdim=True)
    hertz, voiced = _candidates(_autocorrelation(frames))
    middle, half = frames.shape[1] // 2, round(SAMPLE_RATE / LOWEST_HERTZ / 2)
    loudness = frames[:, middle - half : middle + half].abs().amax(1)
    unvoiced = VOICING_THRESHOLD + (2 - loudness * (1 + VOICING_THRESHOLD) / SILENCE_THRESHOLD).clamp_min(0)
    return hertz.double().numpy(), voiced.double().numpy(), unvoiced.double().numpy()


def _autocorrelation(frames: Tensor) -> Tensor:
    """Autocorrelation of the windowed frames over that of the window, [T, lags], ``FINER`` lags a sample.

    ``r_x(lag) = r_xw(lag) / r_w(lag)``, each divided by its value at lag 0; finer by zeros behind the spectrum.
    """
    window = torch.hann_window(frames.shape[1])
    size = 1 << (frames.shape[1] * 3 // 2 - 1).bit_length()
    lags = int(FINER * SAMPLE_RATE / LOWEST_HERTZ) + 3
    both = torch.cat([frames * window, window[None]])
    found = torch.fft.irfft(torch.fft.rfft(both, size).abs().square(), FINER * size)[:, :lags]
    found = found / found[:, :1].clamp_min(FLOOR)
    return found[:-1] / found[-1]


def _candidates(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Hertz and strength of each frame's best peaks, both [T, CANDIDATES]; no peak has a strength far below any."""
    hertz = FINER * SAMPLE_RATE / torch.arange(1, correlation.shape[1] - 1)
    inner = correlation[:, 1:-1]
    is_peak = (inner >= correlation[:, :-2]) & (inner > correlation[:, 2:])
    is_peak &= (hertz >= LOWEST_HERTZ) & (hertz <= HIGHEST_HERTZ)
    score = inner - OCTAVE_COST * (HIGHEST_HERTZ / hertz).log2()
    best = score.masked_fill(~is_peak, -torch.inf).topk(CANDIDATES, 1).indices
    before, peak, after = (correlation.gather(1, best + step) for step in (0, 1, 2))
    shift = (0.5 * (before - after) / (before - 2 * peak + after).clamp(max=-1e-6)).clamp(-0.5, 0.5)
    height = peak - 0.25 * (before - after) * shift
    height = torch.where(height > 1, 1 / height, height)  # a rounded peak beyond the end of the window
    found = FINER * SAMPLE_RATE / (best + 1 + shift)
    strength = height - OCTAVE_COST * (HIGHEST_HERTZ / found).log2()
    return found, strength.masked_fill(~is_peak.gather(1, best), IMPOSSIBLE)


def _two_paths(hertz: np.ndarray, voiced: np.ndarray, unvoiced: np.ndarray) -> np.ndarray:
    """The path of all candidates, and where it leaves the clip's range, that of the candidates inside; [T]."""
    path = _path(hertz, voiced, unvoiced)
    found = path[path > 0]
    if len(found) < FEWEST_VOICED:
        return path
    lower, upper = np.quantile(found, [0.25, 0.75]) * [RANGE_BELOW, RANGE_ABOVE]
    if lower <= found.min() and found.max() <= upper:
        return path
    too_high = np.where(hertz > upper, voiced, IMPOSSIBLE).max(1)  # a fricative's hiss, and no voice below it
    within = np.where((hertz < lower) | (hertz > upper), IMPOSSIBLE, voiced)
    return _path(hertz, within, np.maximum(unvoiced, too_high))


def _path(hertz: np.ndarray, voiced: np.ndarray, unvoiced: np.ndarray) -> np.ndarray:
    """The pitch of each frame, [T], 0 where unvoiced, along the path of the greatest sum of strengths less costs."""
    octaves, (frames, count) = np.log2(hertz), hertz.shape
    strength = np.concatenate([voiced, unvoiced[:, None]], axis=1)
    costs = np.full((frames, count + 1, count + 1), VOICING_COST)  # [to this frame, from state, to state]
    costs[1:, :count, :count] = JUMP_COST * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    costs[:, count, count] = 0
    total, origins, states = strength[0], np.zeros((frames, count + 1), dtype=np.intp), np.arange(count + 1)
    for frame in range(1, frames):
        reached = total[:, None] - costs[frame]
        origins[frame] = reached.argmax(0)
        total = reached[origins[frame], states] + strength[frame]
    path = [int(total.argmax())]
    for frame in range(frames - 1, 0, -1):
        path.append(origins[frame, path[-1]])
    return np.pad(hertz, ((0, 0), (0, 1)))[np.arange(frames), path[::-1]]
