"""Pitch by the accurate autocorrelation of Boersma (1993), with the cheapest path through each frame's candidates.

P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", IFA Proceedings 17. It is the method behind Praat's "To Pitch (ac)", with the same defaults, so the two tracks
can be compared frame by frame. Octave errors are repaired twice: the path makes an octave jump expensive, and a second
path keeps to the speaker's own range in this clip, like Hirst's two passes. The cost is a loop over the frames. Frame t
is centred at ``t * 10 ms``.
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
FRAMES_AT_ONCE = 1000  # bounds the memory that a long clip needs
FINER = 2  # the correlation is interpolated to this many points a sample
IMPOSSIBLE = -1e9  # strength of what is not a candidate
CANDIDATES = 6  # peaks of a frame that may be its pitch
VOICING_THRESHOLD = 0.45  # a lower peak is unvoiced
SILENCE_THRESHOLD = 0.03  # as a share of the clip's peak; a quieter frame is unvoiced
OCTAVE_COST = 0.01  # how much better a candidate one octave lower has to correlate
JUMP_COST = 0.35  # of a jump of one octave between two frames
VOICING_COST = 0.14  # of going from voiced to unvoiced or back
RANGE_BELOW, RANGE_ABOVE = 0.6, 2.0  # times the quartiles of the first path: the range of the second
FEWEST_VOICED = 10  # frames; quartiles of fewer on the first path mean nothing


def centred_frames(wav: Tensor, length: int) -> Tensor:
    """Frames of an even length, centred every 10 ms: [S] to [S // 160 + 1, length]; zeros beyond both ends."""
    return _frames(torch.nn.functional.pad(wav, (length // 2, length // 2)), length, HOP)


def correlation_track(wav: Tensor) -> Tensor:
    """Pitch of a clip, [S] at 16 kHz and any gain, by this module's method: hertz, [T] float32, 0 if unvoiced."""
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
        If parselmouth is not installed. It is under the GPL, so the package does not require it.

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
    count, quarter = len(wav) // HOP + 1, HOP // 4  # padded so that Praat fits exactly these frames
    before = round(WINDOW_SECONDS * SAMPLE_RATE / 2) + quarter
    padded = np.zeros(2 * before + (count - 1) * HOP)
    padded[before : before + len(wav)] = wav[: len(padded) - before].double().numpy()
    sound = parselmouth.Sound(padded, SAMPLE_RATE)
    pitch = sound.to_pitch_ac(time_step=HOP_SECONDS, pitch_floor=LOWEST_HERTZ, pitch_ceiling=HIGHEST_HERTZ)
    return torch.from_numpy(pitch.selected_array["frequency"]).float()


TRACKERS = {"correlation": correlation_track, "praat": praat_track}


def _states(frames: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hertz and strength of each frame's candidates, both [T, CANDIDATES], and the strength of being unvoiced, [T]."""
    frames = frames - frames.mean(1, keepdim=True)
    hertz, voiced = _candidates(_autocorrelation(frames))
    middle, half = frames.shape[1] // 2, round(SAMPLE_RATE / LOWEST_HERTZ / 2)
    loudness = frames[:, middle - half : middle + half].abs().amax(1)
    unvoiced = VOICING_THRESHOLD + (2 - loudness * (1 + VOICING_THRESHOLD) / SILENCE_THRESHOLD).clamp_min(0)
    return hertz.double().numpy(), voiced.double().numpy(), unvoiced.double().numpy()


def _autocorrelation(frames: Tensor) -> Tensor:
    """Autocorrelation of the windowed frames over that of the window, [T, lags], ``FINER`` lags a sample.

    ``r_x(lag) = r_xw(lag) / r_w(lag)``, each divided by its value at lag 0; zero-padding the spectrum interpolates.
    """
    window = torch.hann_window(frames.shape[1])
    size = 1 << (frames.shape[1] * 3 // 2 - 1).bit_length()
    lags = int(FINER * SAMPLE_RATE / LOWEST_HERTZ) + 3
    both = torch.cat([frames * window, window[None]])
    found = torch.fft.irfft(torch.fft.rfft(both, size).abs().square(), FINER * size)[:, :lags]
    found = found / found[:, :1].clamp_min(FLOOR)
    return found[:-1] / found[-1]


def _candidates(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Hertz and strength of each frame's best peaks, both [T, CANDIDATES]; a missing peak is ``IMPOSSIBLE``."""
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
    """The path over all candidates; where it leaves the clip's range, the path over those inside it. [T]."""
    path = _path(hertz, voiced, unvoiced)
    found = path[path > 0]
    if len(found) < FEWEST_VOICED:
        return path
    lower, upper = np.quantile(found, [0.25, 0.75]) * [RANGE_BELOW, RANGE_ABOVE]
    if lower <= found.min() and found.max() <= upper:
        return path
    too_high = np.where(hertz > upper, voiced, IMPOSSIBLE).max(1)  # probably the hiss of a fricative without voice
    within = np.where((hertz < lower) | (hertz > upper), IMPOSSIBLE, voiced)
    return _path(hertz, within, np.maximum(unvoiced, too_high))


def _path(hertz: np.ndarray, voiced: np.ndarray, unvoiced: np.ndarray) -> np.ndarray:
    """The pitch of each frame, [T], 0 where unvoiced, along the path with the greatest sum of strengths minus costs."""
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
