"""LibriSpeech's transcribed clips, on which the tiny encoder is trained beside CREMA-D's training actors."""

from __future__ import annotations

import csv
from pathlib import Path

import soundfile

from speechbrain_xser.data.manifest import Utterance


def librispeech(folder: str | None) -> list[Utterance]:
    """The transcribed LibriSpeech clips below a folder, in the original layout or with a ``manifest.csv``."""
    if folder is None:
        return []
    transcripts = _listed(Path(folder)) or _original(Path(folder))
    return [
        Utterance(id=path.stem, wav=str(path), transcript=text.capitalize(), duration=soundfile.info(path).duration)
        for path, text in transcripts
    ]


def _listed(folder: Path) -> list[tuple[Path, str]]:
    if not (folder / "manifest.csv").exists():
        return []
    with open(folder / "manifest.csv", newline="", encoding="utf-8-sig") as file:
        return [(folder / row["path"], row["transcript"]) for row in csv.DictReader(file) if row["transcript"]]


def _original(folder: Path) -> list[tuple[Path, str]]:
    found = []
    for listing in sorted(folder.rglob("*.trans.txt")):
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, text = line.split(" ", 1)
            found.append((listing.parent / f"{name}.flac", text))
    return found
