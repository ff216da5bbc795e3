"""Published figures of the corpora, for the doctor to count against.

IEMOCAP: four classes, excited merged into happy (EmoBox and s3prl list the same clips). MELD: the release's tables
without the two broken clips. CREMA-D: the release without the one silent clip. EMOSEC: SECap's published part.
"""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """Clips of a whole corpus."""

    clips: int
    emotions: dict[str, int]  # clips by emotion; empty where none is labelled
    splits: dict[str, int] = {}  # clips by official split


KNOWN = {
    "iemocap": Figures(5531, {"neutral": 1708, "happy": 1636, "angry": 1103, "sad": 1084}),
    "meld": Figures(
        13706,
        {
            "neutral": 6434,
            "happy": 2308,
            "surprised": 1636,
            "angry": 1607,
            "sad": 1002,
            "disgusted": 361,
            "fearful": 358,
        },
        {"train": 9988, "valid": 1108, "test": 2610},
    ),
    "cremad": Figures(
        7441, {"angry": 1271, "disgusted": 1271, "fearful": 1271, "happy": 1271, "neutral": 1087, "sad": 1270}
    ),
    "emosec": Figures(600, {}),
}
