"""``ratings.jsonl`` beside a corpus's manifests: what each rater called a clip, in the release's words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.user_file import json_value, text_lines

RATINGS = "ratings.jsonl"
LABELS = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "excited": "happy",
    "neutral": "neutral",
    "neutral state": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}


def write_ratings(save_folder: str | Path, rows: Iterable[Mapping]) -> None:
    """Writes a corpus's ratings.

    Arguments
    ---------
    save_folder : str or Path
        Folder of the manifests.
    rows : iterable of mapping
        ``id``, ``votes`` (each rater's words) and anything else from the release.
    """
    with written_beside(Path(save_folder, RATINGS)) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_votes(path: str | Path) -> dict[str, list[str]]:
    """The emotions that raters chose, one per rater, by utterance; an unreadable file raises a ``ManifestError``.

    The first of a rater's words that is one of our emotions counts. Raters and utterances without one are left out.
    """
    lines = text_lines(path, remedy="Name another file; expected the raters' votes.")
    found = dict(_votes(line, f"{path}, line {number}") for number, line in lines)
    return {id: votes for id, votes in found.items() if votes}


def _votes(line: str, where: str) -> tuple[str, list[str]]:
    row = json_value(line, where, remedy="Correct it; expected id and votes.")
    try:
        return str(row["id"]), [label for words in row["votes"].values() if (label := _label(words))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{where}: {error!r}, expected id and votes.") from error


def _label(words: list[str]) -> str | None:
    return next((LABELS[word.lower()] for word in words if word.lower() in LABELS), None)
