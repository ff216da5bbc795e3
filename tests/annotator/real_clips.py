"""Clips of real corpora, evenly spread over each corpus's list."""

import csv
from functools import lru_cache
from typing import NamedTuple

import pytest
import torch

from speechbrain_xser.data.audio import load_audio
from tests.genuine import DATA

MAX_SECONDS = 5.0
CORPORA = ("ravdess", "cremad", "emodb", "librispeech")
LANGUAGES = {"emodb": "de"}
needs_real_clips = pytest.mark.skipif(
    not all((DATA / corpus / "manifest.csv").is_file() for corpus in CORPORA),
    reason=f"real speech is not here: set XSER_DATA to the folder with {', '.join(CORPORA)}",
)


class Clip(NamedTuple):
    """One clip and its corpus's labels."""

    row: dict[str, str]
    wav: torch.Tensor
    language: str

    @property
    def transcript(self) -> str | None:
        return self.row["transcript"] or None


def rows(corpus: str, **wanted: str) -> list[dict[str, str]]:
    """The corpus's list, of the wanted values only."""
    with open(DATA / corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]


def spread(found: list, count: int) -> list:
    """The given number of items, evenly spread over a list."""
    return [found[index * len(found) // count] for index in range(min(count, len(found)))]


def read(corpus: str, row: dict[str, str]) -> Clip:
    return Clip(row, load_audio(DATA / corpus / row["path"]), LANGUAGES.get(corpus, "en"))


@lru_cache
def clips(corpus: str, count: int) -> tuple[Clip, ...]:
    """The given number of clips of a corpus, each of at most five seconds."""
    short = [row for row in rows(corpus) if float(row["duration"]) <= MAX_SECONDS]
    return tuple(read(corpus, row) for row in spread(short, count))
