"""EmoDB's hand-labelled syllables and sentence accents, as the words of its transcripts.

``silb/NAME.silb`` has the starts of the syllables, ``lablaut/NAMExx.lablaut`` the sounds with their stress; 3 marks the
accent of the sentence.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechbrain_xser.annotator.alignment import Word
from speechbrain_xser.annotator.analysis import Heard, hear
from speechbrain_xser.data.audio import load_audio

FITTED_SPEAKERS = ("03", "08", "09", "10", "11")  # the emphasis weights were fitted to their clips
NEW_SPEAKERS = ("12", "13", "14", "15", "16")
UNLABELLED = "13a01Wb"  # its syllables are empty
MARKS = ("(", ".")  # a pause, the end
ROUNDING_SECONDS = 0.003  # the two files round times differently
# syllables whose spelling differs from the start of their word
SPELLINGS = {"agnes": ("ak",), "stück": ("blatt",), "es": ("s",), "gehen": ("gehn",), "stehen": ("stehn",)}


class Labelled(NamedTuple):
    """One clip with its hand-labelled words, relative to the trimmed waveform."""

    heard: Heard
    transcript: str
    words: tuple[Word, ...]
    accented: np.ndarray  # [W] bool, whether a syllable carries the accent of the sentence


def labelled_clips(corpus: Path, labels: Path, speakers: Iterable[str]) -> list[Labelled]:
    """The labelled clips of some speakers; ``corpus`` has manifest.csv, ``labels`` has silb/ and lablaut/."""
    with open(corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"][-2:] in tuple(speakers)]
    return [_labelled(row, corpus, labels) for row in rows if _name(row) != UNLABELLED]


def _name(row: dict[str, str]) -> str:
    return row["id"].removeprefix("emodb-")


def _labelled(row: dict[str, str], corpus: Path, labels: Path) -> Labelled:
    heard = hear(load_audio(corpus / row["path"]))
    seconds, names = zip(*_syllables(labels / "silb" / f"{_name(row)}.silb"), strict=True)
    begins = _firsts(row["transcript"], names)
    stops = sorted(begins + [i for i, mark in enumerate(names) if mark in MARKS])
    ends = [min(stop for stop in stops if stop > begin) for begin in begins]
    times = np.array(seconds) - heard.start_seconds
    words = tuple(map(Word, row["transcript"].split(), times[begins].tolist(), times[ends].tolist()))
    peaks = np.array(_accents(labels / "lablaut", _name(row))) - heard.start_seconds + ROUNDING_SECONDS
    inside = [((word.start_seconds <= peaks) & (peaks < word.stop_seconds)).any() for word in words]
    return Labelled(heard, row["transcript"], words, np.array(inside))


def _syllables(path: Path) -> list[tuple[float, str]]:
    lines = [line.split() for line in path.read_text("latin-1").splitlines()]
    return [(float(line[0]), line[1].lower()) for line in lines if len(line) == 2]


def _accents(folder: Path, name: str) -> list[float]:
    path = folder / f"{name}xx.lablaut"
    path = path if path.exists() else folder / f"{name}.lablaut"
    lines = path.read_text("latin-1").split("#\n", 1)[1].splitlines()
    return [float(line.split()[0]) for line in lines if line.split("\t")[-1].strip() == "3"]


def _firsts(transcript: str, names: tuple[str, ...]) -> list[int]:
    """The first syllable of each word: the next one whose spelling starts the word."""
    found, place = [], -1
    for text in (word.strip('.,?"').lower() for word in transcript.split()):
        fits = (text.startswith(name) or name in SPELLINGS.get(text, ()) for name in names[place + 1 :])
        place += 1 + next(i for i, fit in enumerate(fits) if fit)
        found.append(place)
    return found
