"""What three listeners wrote about LibriTTS's readers (LibriTTS-P, Kawamura et al., Interspeech 2024; CC BY 4.0).

``df1_en.csv``, ``df2_en.csv`` and ``df3_en.csv`` have one line per reader, no header: ``7335|feminine,slightly young``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

LISTENERS = (1, 2, 3)
GENDERS = {"masculine": "male", "feminine": "female"}
_DEGREE = re.compile(r"^(very|slightly) ")


def listener_genders(folder: Path) -> dict[str, tuple[str | None, ...]]:
    """What each listener's words say about the gender, by reader."""
    lists = [_lines(folder / f"df{listener}_en.csv") for listener in LISTENERS]
    return {reader: tuple(gender_in(words[reader]) for words in lists) for reader in lists[0]}


def gender_in(words: str) -> str | None:
    """The gender that a listener's words name; None for both or neither."""
    plain = {_DEGREE.sub("", word) for word in words.split(",")}
    named = {gender for word, gender in GENDERS.items() if word in plain}
    return named.pop() if len(named) == 1 else None


def majority(votes: Iterable[str | None]) -> str | None:
    """The gender that most listeners name; None for a tie."""
    counts = Counter(vote for vote in votes if vote).most_common()
    return None if not counts or len(counts) == 2 and counts[0][1] == counts[1][1] else counts[0][0]


def listed_genders(path: Path) -> dict[str, str]:
    """The genders in the corpus's own list, ``libritts_speakers.tsv``, by reader."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: {"F": "female", "M": "male"}[row[1]] for row in rows}


def _lines(path: Path) -> dict[str, str]:
    return dict(line.split("|", 1) for line in path.read_text(encoding="utf-8").splitlines())
