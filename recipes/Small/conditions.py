"""How a clip was recorded: room, level, silence around the speech, noise, band. Drawn first, then applied."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple
from zlib import crc32

import torch
from Small.bands import SAMPLE_RATE, low_passed, with_high_band
from Small.noise import babble, level_of, pink, white, with_noise
from Small.room import impulse_response, in_room
from torch import Tensor

PEAK = 0.99  # of full scale: a louder clip is made softer as a whole
BAND_END = 5500.0  # hertz, of CREMA-D's clips
QUIET_SNR = 60.0  # of the noise that every recording has, where no louder one is drawn


class Conditions(NamedTuple):
    """What becomes of a clean wave; ``None`` leaves it as it is."""

    lead_seconds: float = 0.0  # before the speech
    trail_seconds: float = 0.0  # after it
    level: float | None = None  # RMS of the speech, dB re full scale
    gain: float = 0.0  # dB, where no level is set
    rt60_seconds: float | None = None  # of the room
    direct_decibels: float = 6.0  # direct sound re reverberation
    noise: str | None = None  # white, pink or babble
    snr_decibels: float = QUIET_SNR
    high_band: tuple[float, float] | None = None  # where the band ends in hertz, and gain of the copy above in dB
    low_pass_hertz: float | None = None


class Chances(NamedTuple):
    """How often something is drawn, and between what."""

    room: float = 0.3
    rt60_seconds: tuple[float, float] = (0.15, 0.6)
    direct_decibels: tuple[float, float] = (0.0, 12.0)
    noise: float = 0.4
    kinds: tuple[str, ...] = ("white", "pink", "babble")
    snr_decibels: tuple[float, float] = (5.0, 30.0)
    digital_silence: float = 0.25  # of the clips without noise, which then have none at all
    silence_seconds: tuple[float, float] = (0.0, 1.2)  # before and after, each
    level: tuple[float, float] | None = (-42.0, -18.0)
    low_pass: float = 0.3
    low_pass_hertz: tuple[float, ...] = (3400.0, 4000.0, 5500.0)
    high_band: float = 0.0  # only where no low-pass is drawn; for clips that end at 5.5 kHz
    high_band_decibels: tuple[float, float] = (-24.0, -6.0)


def draw_conditions(random: Random, chances: Chances | None = None) -> Conditions:
    """Draws how a clip is recorded.

    Arguments
    ---------
    random : Random
        Decides.
    chances : Chances or None
        None for the usual ones.

    Returns
    -------
    Conditions

    Example
    -------
    >>> draw_conditions(Random(1)) == draw_conditions(Random(1))
    True
    >>> draw_conditions(Random(1), Chances(noise=0.0, digital_silence=1.0)).noise is None
    True
    """
    chances = chances or Chances()
    lead, trail = (random.uniform(*chances.silence_seconds) for _ in range(2))
    noisy, silent = random.random() < chances.noise, random.random() < chances.digital_silence
    drawn = Conditions(
        lead,
        trail,
        level=random.uniform(*chances.level) if chances.level else None,
        rt60_seconds=random.uniform(*chances.rt60_seconds) if random.random() < chances.room else None,
        direct_decibels=random.uniform(*chances.direct_decibels),
        noise=random.choice(chances.kinds) if noisy else None if silent else "pink",
        snr_decibels=random.uniform(*chances.snr_decibels) if noisy else QUIET_SNR,
        low_pass_hertz=random.choice(chances.low_pass_hertz) if random.random() < chances.low_pass else None,
    )
    if drawn.low_pass_hertz is None and random.random() < chances.high_band:
        return drawn._replace(high_band=(BAND_END, random.uniform(*chances.high_band_decibels)))
    return drawn


def recorded(wave: Tensor, conditions: Conditions, seed: int, others: Sequence[Tensor] = ()) -> Tensor:
    """A clean wave as it is under conditions.

    Arguments
    ---------
    wave : Tensor
        Speech, [S], 16 kHz, without silence at its ends, not silent.
    conditions : Conditions
        As :func:`draw_conditions` gives them.
    seed : int
        Of reflections and noise.
    others : sequence of Tensor
        Clips that babble is made of.

    Returns
    -------
    Tensor
        [S'] float32, peaks within full scale: the lead, the speech, the longer of the trail and the reverberation.

    Raises
    ------
    ValueError
        If the kind of noise is unknown, or babble has no clips.

    Example
    -------
    >>> heard = recorded(torch.ones(16000), Conditions(0.5, 1.0, level=-20.0), seed=0)
    >>> len(heard) / SAMPLE_RATE, heard[[0, 8000]]
    (2.5, tensor([0.0000, 0.1000]))
    """
    generator = torch.Generator().manual_seed(seed)
    samples = len(wave)
    if conditions.rt60_seconds is not None:
        wave = in_room(wave, impulse_response(conditions.rt60_seconds, conditions.direct_decibels, generator))
    level = level_of(wave[:samples]) + conditions.gain if conditions.level is None else conditions.level
    wave = wave * 10 ** ((level - level_of(wave[:samples])) / 20)
    wave = _padded(wave, samples, conditions)
    if conditions.noise is not None:
        wave = with_noise(wave, _noise(conditions.noise, len(wave), generator, others), conditions.snr_decibels, level)
    if conditions.high_band is not None:
        wave = with_high_band(wave, *conditions.high_band)
    if conditions.low_pass_hertz is not None:
        wave = low_passed(wave, conditions.low_pass_hertz)
    return within_full_scale(wave)


def within_full_scale(wave: Tensor) -> Tensor:
    """A wave, softer as a whole if a peak were above full scale, [S]."""
    return wave * min(1.0, PEAK / wave.abs().max().clamp(min=1e-9).item())


def seeded(id: str) -> torch.Generator:
    """A generator of a clip's own, the same on every machine and in any selection of clips."""
    return torch.Generator().manual_seed(crc32(id.encode()))


def _padded(wave: Tensor, samples: int, conditions: Conditions) -> Tensor:
    lead, trail = (round(seconds * SAMPLE_RATE) for seconds in (conditions.lead_seconds, conditions.trail_seconds))
    return torch.nn.functional.pad(wave, (lead, max(0, samples + trail - len(wave))))


def _noise(kind: str, samples: int, generator: torch.Generator, others: Sequence[Tensor]) -> Tensor:
    if kind == "babble":
        return babble(others, samples, generator)
    if kind not in ("white", "pink"):
        raise ValueError(f"There is no noise {kind!r}, expected white, pink or babble.")
    return {"white": white, "pink": pink}[kind](samples, generator)
