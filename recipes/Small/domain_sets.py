"""Clips in and out of the small model's domain; no clip that a table reports is among them.

In it: English speech of people that the model has not heard, acted (CREMA-D's validation actors) or read (LibriSpeech's
clips without a transcript). Out of it: German speech, the English clips in babble and noise, backwards and through
codecs, and music.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import torch
from Small.codecs import coded
from Small.conditions import seeded, within_full_scale
from Small.music import music
from Small.noise import babble, pink, white, with_noise
from torch import Tensor

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.filename_corpora import named_clips
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.data.preparation import find_audio
from speechbrain_xser.data.speakers import split_speakers

SNR = -5.0  # decibels
PIECES = 200  # of music
BABBLERS = 24
FITTED, REPORTED = 0, 1  # which half of a set decides, and which is reported


class Clip(NamedTuple):
    """A clip of a set, in one of its halves."""

    half: int
    wave: Tensor  # [S] float32, 16 kHz


class Source(NamedTuple):
    """A recording, in the half of its speaker."""

    half: int
    clip: Utterance  # its path needs no data folder

    def wave(self) -> Tensor:
        """Its samples, [S]."""
        return load_audio(self.clip.wav, self.clip.start, self.clip.stop)


def halved(clips: Sequence[Utterance], limit: int | None = None) -> list[Source]:
    """Clips in two halves without a speaker in common.

    Arguments
    ---------
    clips : sequence of Utterance
        With their speakers.
    limit : int, optional
        Clips at most, as many of each half; drawn by a checksum of their ids.

    Returns
    -------
    list of Source

    Example
    -------
    >>> clips = [Utterance(f"{number}", "a.wav", speaker=f"s{number % 3}") for number in range(6)]
    >>> [(source.half, source.clip.speaker) for source in halved(clips, 4)]
    [(0, 's2'), (0, 's0'), (1, 's1'), (1, 's1')]
    """
    half_of = {speaker: rank % 2 for rank, speaker in enumerate(sorted({clip.speaker for clip in clips}))}
    shuffled = drawn(clips)
    most = None if limit is None else max(1, limit // 2)
    return [
        Source(half, clip)
        for half in (FITTED, REPORTED)
        for clip in [clip for clip in shuffled if half_of[clip.speaker] == half][:most]
    ]


def drawn(clips: Sequence[Utterance], limit: int | None = None) -> list[Utterance]:
    """Clips by a checksum of their ids, or the first of them: every n-th one by name could miss an emotion."""
    return sorted(clips, key=lambda clip: crc32(clip.id.encode()))[:limit]


def cremad(data: Path, split: str = "valid") -> list[Utterance]:
    """CREMA-D's actors of a split."""
    recipe = import_module("CREMA-D.prepare")
    sides = split_speakers(recipe.ACTORS, recipe.SPLIT_SHARES, recipe.SPLIT_SEED)
    found = {stem: path for stem, path in find_audio(data / "AudioWAV").items() if stem not in recipe.SILENT_CLIPS}
    actors = {stem: recipe.parse_name(stem).actor for stem in found}
    return [
        Utterance(stem, str(path), speaker=actors[stem]) for stem, path in found.items() if sides[actors[stem]] == split
    ]


def librispeech(data: Path) -> list[Utterance]:
    """LibriSpeech's clips without a transcript; those with one are reported elsewhere."""
    with open(data / "manifest.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["transcript"]]
    return [Utterance(row["id"], str(data / row["path"]), speaker=row["speaker"]) for row in rows]


def emodb(data: Path) -> list[Utterance]:
    """All of EmoDB, which is German."""
    found = named_clips(data, import_module("EmoDB.prepare").parse_name)
    return [clip._replace(wav=resolve(clip, data)) for clip in found if isinstance(clip, Utterance)]


Change = Callable[[Tensor, torch.Generator, Sequence[Tensor]], Tensor]  # of a wave, with others to babble
CHANGES: dict[str, Change] = {
    "in babble, -5 dB": lambda wave, generator, others: with_noise(wave, babble(others, len(wave), generator), SNR),
    "in white noise, -5 dB": lambda wave, generator, _: with_noise(wave, white(len(wave), generator), SNR),
    "in pink noise, -5 dB": lambda wave, generator, _: with_noise(wave, pink(len(wave), generator), SNR),
    "backwards": lambda wave, *_: wave.flip(0),
    "Opus, 6 kbit/s": lambda wave, *_: coded(wave, "Opus"),
    "GSM": lambda wave, *_: coded(wave, "GSM"),
}


def changed(sources: Sequence[Source], name: str) -> Iterator[Clip]:
    """The clips of a set made of others; a clip's own id is the seed.

    Arguments
    ---------
    sources : sequence of Source
        What it is made of.
    name : str
        One of CHANGES.

    Yields
    ------
    Clip
        In the half of its source, within full scale; babble is that of others of the half.
    """
    for half in (FITTED, REPORTED):
        own = [source for source in sources if source.half == half]
        others = [source.wave() for source in own[:BABBLERS]]
        for source in own:
            wave = CHANGES[name](source.wave(), seeded(source.clip.id), others)
            yield Clip(half, within_full_scale(wave))


def pieces(limit: int | None = None) -> Iterator[Clip]:
    """Pieces of music, halved by seed."""
    return (Clip(seed % 2, music(torch.Generator().manual_seed(seed))) for seed in range(min(PIECES, limit or PIECES)))


def inside(data: Path, limit: int | None = None) -> dict[str, list[Source]]:
    """The sets in the domain, by name."""
    sets = {"CREMA-D (acted)": cremad, "LibriSpeech (read)": librispeech}
    return {name: halved(read(data / read.__name__), limit) for name, read in sets.items()}


def outside(data: Path, speech: Sequence[Source], limit: int | None = None) -> dict[str, Callable[[], Iterator[Clip]]]:
    """The sets out of the domain, by name; each is made when it is asked for."""
    german = halved(emodb(data / "emodb"), limit)
    sets = {"EmoDB (German)": lambda: as_recorded(german), "music": lambda: pieces(limit)}
    return sets | {f"English {name}": lambda name=name: changed(speech, name) for name in CHANGES}


def as_recorded(sources: Sequence[Source]) -> Iterator[Clip]:
    """The clips of a set as they are."""
    return (Clip(source.half, source.wave()) for source in sources)
