"""Clips whose speakers' gender is known, and what the annotator measures in them.

A corpus is a folder with ``manifest.csv``: columns path, speaker and gender, and any further columns with known labels.
``gender_heard`` overrides ``gender`` if it is filled in (LibriSpeech lists some readers wrongly).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.gender import gender_features, gender_log_odds
from speechbrain_xser.annotator.level import speech_decibels
from speechbrain_xser.annotator.pitch import praat_track
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.utils.parallel import in_parallel

WORDS = {"F": "female", "M": "male"}
FEWEST_VOICED = 10  # frames that a clip with a pitch has at least


class Voice(NamedTuple):
    """One clip."""

    path: str
    speaker: str  # prefixed with the corpus's folder
    female: bool
    row: dict[str, str]  # of the manifest


class Sound(NamedTuple):
    """The measurements of one clip."""

    features: np.ndarray | None  # [F] of the gender estimate, None for too little voice
    log_odds: float | None  # from the package's weights
    decibels: float | None  # of the speech
    hertz: np.ndarray  # [T], 0 where unvoiced
    praats: np.ndarray  # [T] from Praat, in the same frames of speech

    @property
    def median_hertz(self) -> float:
        """The clip's pitch; NaN without one."""
        voiced = self.hertz[self.hertz > 0]
        return float(np.median(voiced)) if len(voiced) >= FEWEST_VOICED else np.nan


def voices(folder: Path) -> list[Voice]:
    """The clips of a corpus whose gender is known."""
    with open(folder / "manifest.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    genders = [WORDS.get(word, word) for word in (row.get("gender_heard") or row["gender"] for row in rows)]
    return [
        Voice(str(folder / row["path"]), f"{folder.name}-{row['speaker']}", gender == "female", row)
        for row, gender in zip(rows, genders, strict=True)
        if gender in WORDS.values()
    ]


def features(voice: Voice) -> np.ndarray | None:
    """The gender estimate's features of a clip, None for too little voice."""
    return gender_features(hear(load_audio(voice.path)))


def sound(voice: Voice) -> Sound:
    """Everything that is compared for one clip; needs parselmouth."""
    wav = load_audio(voice.path)
    heard = hear(wav)
    first = round(heard.start_seconds * 16000)
    praats = praat_track(wav[first : first + len(heard.wav)]) * heard.speech
    level = speech_decibels(heard.decibels, heard.speech)
    return Sound(gender_features(heard), gender_log_odds(heard), level, heard.hertz.numpy(), praats.numpy())


def listen(work: Callable, found: Iterable[Voice], label: str) -> list:
    """Applies a function to each clip, on all cores."""
    found = list(found)
    return list(in_parallel(work, found, label, len(found)))
