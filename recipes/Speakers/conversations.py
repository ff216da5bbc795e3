"""Conversations put together from clips of single speakers: who speaks when is known to the sample."""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import torch
from Small.joining import trimmed
from Speakers.diarization_error import Segment
from torch import Tensor

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.speakers import split_speakers
from speechbrain_xser.data.waveform import SAMPLE_RATE

TURNS = 18  # about, shared by the speakers
FEWEST, MOST = 2, 4  # speakers
PAUSE_SECONDS = (0.6, 2.0)
LEAST_SECONDS = 1.0  # of a clip's speech
READER_SHARES = {"held out": 0.4, "test": 0.6}  # of LibriSpeech's ten readers
READER_SEED = "speakers-1"


class Clip(NamedTuple):
    """One clip of a corpus."""

    path: Path
    speaker: str


class Conversation(NamedTuple):
    """A recording, and who speaks when."""

    name: str
    wav: Tensor  # [S], 16 kHz
    segments: list[Segment]

    @property
    def speakers(self) -> int:
        """How many speak."""
        return len({segment.speaker for segment in self.segments})


def read_clips(folder: Path, **wanted: str) -> list[Clip]:
    """The clips of a corpus's ``manifest.csv`` whose columns have the wanted values."""
    with open(folder / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]
    return [Clip(folder / row["path"], row["speaker"]) for row in rows]


def clips_to_test(data: Path) -> dict[str, list[Clip]]:
    """Six of LibriSpeech's test-other readers, and the actors of CREMA-D's test split."""
    return {"LibriSpeech": _read_speech(data, "test"), "CREMA-D": _acted_speech(data, {"test"})}


def clips_held_out(data: Path) -> dict[str, list[Clip]]:
    """Speakers of their own, to choose settings on: the other four readers, other actors, and RAVDESS's."""
    acted = _acted_speech(data, {"train", "valid"})
    return {"LibriSpeech": _read_speech(data, "held out"), "CREMA-D": acted, "RAVDESS": read_clips(data / "ravdess")}


def _read_speech(data: Path, side: str) -> list[Clip]:
    clips = read_clips(data / "librispeech", subset="test-other")
    sides = split_speakers([clip.speaker for clip in clips], READER_SHARES, READER_SEED)
    return [clip for clip in clips if sides[clip.speaker] == side]


def _acted_speech(data: Path, splits: set[str]) -> list[Clip]:
    recipe = import_module("CREMA-D.prepare")
    sides = split_speakers(recipe.ACTORS, recipe.SPLIT_SHARES, recipe.SPLIT_SEED)
    return [clip for clip in read_clips(data / "cremad") if sides[clip.speaker.removeprefix("cremad-")] in splits]


def conversations(corpus: str, clips: Sequence[Clip], count: int) -> Iterator[Conversation]:
    """Conversations of two, three and four speakers in turn; the same each time."""
    for place in range(count):
        draw = random.Random(f"{corpus} {place}")
        speakers = FEWEST + place % (MOST - FEWEST + 1)
        yield spoken(f"{corpus}-{place}", turns(clips, speakers, draw), draw)


def turns(clips: Sequence[Clip], speakers: int, draw: random.Random) -> list[Clip]:
    """Clips of so many speakers, equally many of each, in random order."""
    chosen = draw.sample(sorted({clip.speaker for clip in clips}), speakers)
    each = [draw.sample([clip for clip in clips if clip.speaker == one], TURNS // speakers) for one in chosen]
    found = [clip for own in each for clip in own]
    draw.shuffle(found)
    return found


def spoken(name: str, clips: Sequence[Clip], draw: random.Random) -> Conversation:
    """The clips one after the other, each without the silence at its ends, with pauses between them."""
    parts, segments, at = [], [], 0
    for clip in clips:
        wave = trimmed(load_audio(clip.path))
        if len(wave) < LEAST_SECONDS * SAMPLE_RATE:
            continue
        pause = torch.zeros(round(draw.uniform(*PAUSE_SECONDS) * SAMPLE_RATE))
        start = at + len(pause)
        at = start + len(wave)
        segments.append(Segment(start / SAMPLE_RATE, at / SAMPLE_RATE, clip.speaker))
        parts += [pause, wave]
    return Conversation(name, torch.cat([*parts, torch.zeros(SAMPLE_RATE)]), segments)
