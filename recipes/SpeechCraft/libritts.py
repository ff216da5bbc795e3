"""LibriTTS-R's clips (Koizumi et al., 2023, Interspeech): ``subset/reader/chapter/reader_chapter_place_part.wav``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from SpeechCraft.passage import Passage

from speechbrain_xser.data.text_repair import plain_text

CORPUS = "libritts"
PARTS = ("train-*", "dev-*", "test-*")
FOLDERS = ("LibriTTS_R", "LibriTTS-R", "LibriTTS")
TEXT_SUFFIX = ".normalized.txt"
TOPIC = "audiobook"


def find_subsets(data_folder: str | Path) -> list[Path]:
    """The corpus's subsets (``train-clean-100`` and others) in the data folder, or in its own folder there."""
    roots = [Path(data_folder), *(Path(data_folder, name) for name in FOLDERS)]
    return sorted(path for root in roots for part in PARTS for path in root.glob(part) if path.is_dir())


def read_passages(subset: Path) -> Iterator[Passage]:
    """Every clip of a subset.

    Arguments
    ---------
    subset : Path
        Folder with a folder for each reader.

    Yields
    ------
    Passage
        With the normalised text, if its file exists.
    """
    for reader in _folders(subset):
        for chapter in _folders(reader):
            for path in sorted(chapter.glob("*.wav")):
                text = path.with_suffix(TEXT_SUFFIX)
                spoken = plain_text(text.read_text(encoding="utf-8")) if text.exists() else None
                yield Passage(path.stem, CORPUS, path, reader.name, reader.name, spoken or None, TOPIC)


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
