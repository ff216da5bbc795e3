"""Emotion recognition: UA, the mean recall over the reference's classes, WA, the accuracy, and F1.

An answer whose emotion cannot be read is wrong: it has its own column in the confusion matrix and is never neutral.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TextIO

from speechbrain_xser.answer.record import EMOTIONS

UNPARSED = "unparsed"


class EmotionScore:
    """Collects emotions and computes UA and WA in percent; references of ``None`` are skipped.

    The interface is that of SpeechBrain's ``MetricStats``.

    Example
    -------
    >>> scores = EmotionScore()
    >>> scores.append(["a", "b", "c", "d"], ["sad", "sad", "sad", "happy"], ["sad", "sad", None, "happy"])
    >>> scores.summarize("WA")
    75.0
    >>> round(scores.summarize("UA"), 2)  # (2/3 + 1) / 2
    83.33
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Removes everything."""
        self.ids: list[str] = []
        self.pairs: list[tuple[str, str]] = []  # reference, found

    def append(self, ids, references, hypotheses) -> None:
        """Adds utterances.

        Arguments
        ---------
        ids : sequence of str
            Utterance ids.
        references, hypotheses : sequence of (str or None)
            Emotions, each one of ``EMOTIONS``; ``None`` is unknown in a reference and unparsed in a hypothesis.

        Raises
        ------
        ValueError
            If the sequences differ in length.
        """
        for id, reference, found in zip(ids, references, hypotheses, strict=True):
            if reference is not None:
                self.ids.append(id)
                self.pairs.append((reference, UNPARSED if found is None else found))

    def recalls(self) -> dict[str, float]:
        """Recall of each class of the references.

        Returns
        -------
        dict of str to float
            Percent, in the order of ``EMOTIONS``; a class without references is absent.

        Example
        -------
        >>> scores = EmotionScore()
        >>> scores.append(["a", "b"], ["sad", "sad"], ["sad", "happy"])
        >>> scores.recalls()
        {'sad': 50.0}
        """
        wanted = Counter(reference for reference, _ in self.pairs)
        right = Counter(reference for reference, found in self.pairs if reference == found)
        return {name: 100.0 * right[name] / wanted[name] for name in EMOTIONS if wanted[name]}

    def f1(self) -> dict[str, float]:
        """F1 of each class of the references: the harmonic mean of precision and recall.

        Returns
        -------
        dict of str to float
            Percent, in the order of ``EMOTIONS``; a class without references is absent.

        Example
        -------
        >>> scores = EmotionScore()
        >>> scores.append(["a", "b", "c"], ["sad", "sad", "happy"], ["sad", "happy", "happy"])
        >>> [round(value, 2) for value in scores.f1().values()]  # 2/3 of both: one of two found, one of two right
        [66.67, 66.67]
        """
        wanted, told = (Counter(pair[side] for pair in self.pairs) for side in (0, 1))
        right = Counter(reference for reference, found in self.pairs if reference == found)
        return {name: 200.0 * right[name] / (wanted[name] + told[name]) for name in EMOTIONS if wanted[name]}

    def confusions(self) -> list[list[int]]:
        """The confusion matrix.

        Returns
        -------
        list of list of int
            Counts, [7, 8]: references in rows, found emotions in columns, in the order of ``EMOTIONS``; the last column
            is for unparsed answers.

        Example
        -------
        >>> scores = EmotionScore()
        >>> scores.append(["a"], ["happy"], [None])
        >>> scores.confusions()[1]
        [0, 0, 0, 0, 0, 0, 0, 1]
        """
        counts = Counter(self.pairs)
        return [[counts[reference, found] for found in (*EMOTIONS, UNPARSED)] for reference in EMOTIONS]

    def summarize(self, field: str | None = None):
        """The scores.

        Arguments
        ---------
        field : str, optional
            One of ``UA``, ``WA``, ``macro_F1``, ``weighted_F1``, ``count``; all by default.

        Returns
        -------
        dict, or float or int
            ``UA``, ``WA`` and F1 in percent (NaN without references) and the ``count`` of references, or one of these.
            F1 is averaged over the references' classes, plain or weighted by their references.

        Raises
        ------
        KeyError
            If the field is unknown.
        """
        recalls, f1, count = self.recalls(), self.f1(), len(self.pairs)
        wanted = Counter(reference for reference, _ in self.pairs)
        right = sum(reference == found for reference, found in self.pairs)
        summary = {
            "UA": sum(recalls.values()) / len(recalls) if recalls else math.nan,
            "WA": 100.0 * right / count if count else math.nan,
            "macro_F1": sum(f1.values()) / len(f1) if f1 else math.nan,
            "weighted_F1": sum(f1[name] * wanted[name] for name in f1) / count if count else math.nan,
            "count": count,
        }
        return summary if field is None else summary[field]

    def write_stats(self, filestream: TextIO) -> None:
        """Writes the summary, the confusion matrix and each utterance.

        Arguments
        ---------
        filestream : TextIO
            An open text file.

        Example
        -------
        >>> import io
        >>> scores, file = EmotionScore(), io.StringIO()
        >>> scores.append(["a"], ["happy"], [None])
        >>> scores.write_stats(file)
        >>> lines = file.getvalue().splitlines()
        >>> lines[0], lines[-1]
        ('UA 0.00 %, WA 0.00 %, 1 utterances', 'a ref: happy hyp: unparsed')
        """
        filestream.write("UA {UA:.2f} %, WA {WA:.2f} %, {count} utterances\n".format(**self.summarize()))
        filestream.write(" ".join(f"{name:>10}" for name in ("reference", *EMOTIONS, UNPARSED)) + "\n")
        for reference, row in zip(EMOTIONS, self.confusions(), strict=True):
            filestream.write(" ".join(f"{cell:>10}" for cell in (reference, *row)) + "\n")
        for id, (reference, found) in zip(self.ids, self.pairs, strict=True):
            filestream.write(f"{id} ref: {reference} hyp: {found}\n")
