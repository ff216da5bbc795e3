"""Published figures of the corpora, for the doctor to count against.

IEMOCAP: four classes, excited merged into happy (EmoBox and s3prl list the same clips). MELD: the release's tables
without the two broken clips. CREMA-D: the release without the one silent clip. EMOSEC: SECap's published part. RAVDESS:
1,440 clips of speech without the 192 calm ones. EmoDB: 535 clips (Burkhardt et al., 2005) without the 81 of boredom.
TESS: seven emotions of 400. SpeechCraft: its part of GigaSpeech-M, as its authors count it.
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
    "ravdess": Figures(
        1248,
        {"angry": 192, "disgusted": 192, "fearful": 192, "happy": 192, "neutral": 96, "sad": 192, "surprised": 192},
    ),
    "emodb": Figures(454, {"angry": 127, "disgusted": 46, "fearful": 69, "happy": 71, "neutral": 79, "sad": 62}),
    "tess": Figures(
        2800,
        {
            "angry": 400,
            "disgusted": 400,
            "fearful": 400,
            "happy": 400,
            "neutral": 400,
            "sad": 400,
            "surprised": 400,
        },
    ),
    "speechcraft": Figures(670_070, {}),
}
