"""EmoDB's hand-labelled syllables and stresses, as the words of its transcripts."""

import csv
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.annotator.alignment import Word
from speechbrain_xser.annotator.heard import Heard, hear

REAL = Path(os.environ.get("XSER_DATA", Path(__file__).parents[3] / "shared" / "data"))
LABELS = REAL / "annotations" / "emodb"
needs_emodb = pytest.mark.skipif(
    not (REAL / "emodb" / "wav").is_dir() or not (LABELS / "lablaut").is_dir(),
    reason="EmoDB's clips and labels are not here: set XSER_DATA to the folder with emodb/ and annotations/emodb/",
)
NEW_SPEAKERS = ("12", "13", "14", "15", "16")  # the weights were chosen on the other five
MARKS = ("(", ".")  # a pause, the end
# syllables that do not spell the beginning of their word: spoken otherwise, or written in another way
SPELLINGS = {"agnes": ("ak",), "stück": ("blatt",), "es": ("s",), "gehen": ("gehn",), "stehen": ("stehn",)}


class Labelled(NamedTuple):
    """One clip with the hands' words, relative to the heard waveform."""

    heard: Heard
    transcript: str
    words: tuple[Word, ...]
    accented: np.ndarray  # [W] bool, has a syllable of stress 3, the accent of its sentence


def syllables(name: str) -> list[tuple[float, str]]:
    lines = (LABELS / "silb" / f"{name}.silb").read_text("latin-1").splitlines()
    return [(float(line.split()[0]), line.split()[1].lower()) for line in lines if len(line.split()) == 2]


def accents(name: str) -> list[float]:
    path = LABELS / "lablaut" / f"{name}xx.lablaut"
    path = path if path.exists() else path.with_name(f"{name}.lablaut")
    lines = path.read_text("latin-1").split("#\n", 1)[1].splitlines()
    return [float(line.split()[0]) for line in lines if line.split("\t")[-1].strip() == "3"]


def firsts(transcript: str, names: list[str]) -> list[int]:
    """The first syllable of each word: the next that its spelling begins with."""
    found, place = [], -1
    for text in (word.strip('.,?"').lower() for word in transcript.split()):
        fits = (text.startswith(name) or name in SPELLINGS.get(text, ()) for name in names[place + 1 :])
        place += 1 + next(i for i, fit in enumerate(fits) if fit)
        found.append(place)
    return found


def labelled(row: dict[str, str]) -> Labelled:
    name = row["id"].removeprefix("emodb-")
    wave = soundfile.read(REAL / "emodb" / row["path"], dtype="float32")[0]
    heard = hear(torch.from_numpy(wave))
    seconds, names = zip(*syllables(name), strict=True)
    begins = firsts(row["transcript"], names)
    stops = sorted(begins + [i for i, mark in enumerate(names) if mark in MARKS])
    ends = [min(stop for stop in stops if stop > begin) for begin in begins]
    times = np.array(seconds) - heard.start_seconds
    words = tuple(map(Word, row["transcript"].split(), times[begins].tolist(), times[ends].tolist()))
    peaks = np.array(accents(name)) - heard.start_seconds + 0.003  # the files round times differently
    inside = [((word.start_seconds <= peaks) & (peaks < word.stop_seconds)).any() for word in words]
    return Labelled(heard, row["transcript"], words, np.array(inside))


@lru_cache
def new_speakers() -> list[Labelled]:
    """The clips of five speakers, but for one whose syllables are empty."""
    with open(REAL / "emodb" / "manifest.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"][-2:] in NEW_SPEAKERS]
    return [labelled(row) for row in rows if row["id"] != "emodb-13a01Wb"]
