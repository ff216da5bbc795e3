"""Accuracy of each descriptor over the utterances whose reference has it, and word F1 of the emphasis."""

from __future__ import annotations

import math
from collections import Counter
from typing import TextIO

from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.metrics.text_normalization import normalise

ATTRIBUTES = tuple(field for field in Descriptors._fields if field != "emphasis")


class AttributeAccuracy:
    """Accuracy of each descriptor in percent; unparsed counts as wrong, tone and topic compare as normalised words.

    The interface is that of SpeechBrain's ``MetricStats``.

    Example
    -------
    >>> accuracy = AttributeAccuracy()
    >>> told = [Descriptors(gender="male", pitch="low"), Descriptors(gender="male")]
    >>> accuracy.append(["a", "b"], told, [Descriptors(gender="male"), Descriptors(pitch="high")])
    >>> accuracy.summarize()
    {'gender': 50.0, 'pitch': 0.0}
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Removes everything."""
        self.wanted: Counter = Counter()
        self.right: Counter = Counter()

    def append(self, ids, references, hypotheses) -> None:
        """Adds utterances.

        Arguments
        ---------
        ids : sequence of str
            Utterance ids.
        references, hypotheses : sequence of Descriptors
            True and found descriptors; a field that is ``None`` in the reference is skipped.

        Raises
        ------
        ValueError
            If the sequences differ in length.
        """
        for _, reference, found in zip(ids, references, hypotheses, strict=True):
            for field in ATTRIBUTES:
                told = getattr(reference, field)
                if told is not None:
                    self.wanted[field] += 1
                    self.right[field] += normalise(told) == normalise(getattr(found, field))

    def summarize(self, field: str | None = None):
        """The accuracies.

        Arguments
        ---------
        field : str, optional
            A descriptor; by default all that occur in a reference.

        Returns
        -------
        dict of str to float, or float
            Percent; NaN for a single descriptor that occurs in no reference.
        """
        summary = {name: 100.0 * self.right[name] / self.wanted[name] for name in ATTRIBUTES if self.wanted[name]}
        return summary if field is None else summary.get(field, math.nan)

    def write_stats(self, filestream: TextIO) -> None:
        """Writes a line for each descriptor that occurs in a reference.

        Arguments
        ---------
        filestream : TextIO
            An open text file.

        Example
        -------
        >>> import sys
        >>> accuracy = AttributeAccuracy()
        >>> accuracy.append(["a"], [Descriptors(pitch="low")], [Descriptors()])
        >>> accuracy.write_stats(sys.stdout)
        pitch 0.00 % of 1
        """
        for name, accuracy in self.summarize().items():
            filestream.write(f"{name} {accuracy:.2f} % of {self.wanted[name]}\n")


class EmphasisScore:
    """F1 of emphasised words in percent, over all words of the utterances whose reference gives its emphasis.

    ``F1 = 2 * hits / (reference words + found words)``. A reference without words, ``()``, counts: whatever is found
    there is wrong. ``None`` is unknown and skipped.

    The interface is that of SpeechBrain's ``MetricStats``.

    Example
    -------
    >>> emphasis = EmphasisScore()
    >>> emphasis.append(["a", "b", "c"], [("people",), ("go", "now"), None], [("People",), ("go", "away"), ("x",)])
    >>> round(emphasis.summarize("F1"), 2)  # 2 * 2 / (3 + 3)
    66.67
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Removes everything."""
        self.hits = self.wanted = self.found = 0

    def append(self, ids, references, hypotheses) -> None:
        """Adds utterances.

        Arguments
        ---------
        ids : sequence of str
            Utterance ids.
        references, hypotheses : sequence of (tuple of str, or None)
            True and found emphasised words; a reference of ``None`` is skipped.

        Raises
        ------
        ValueError
            If the sequences differ in length.
        """
        for _, reference, found in zip(ids, references, hypotheses, strict=True):
            if reference is not None:
                told, heard = _words(reference), _words(found)
                self.hits += (told & heard).total()
                self.wanted += told.total()
                self.found += heard.total()

    def summarize(self, field: str | None = None):
        """The score and its counts.

        Arguments
        ---------
        field : str, optional
            One of ``F1``, ``hits``, ``wanted``, ``found``; all by default.

        Returns
        -------
        dict, or float or int
            ``F1`` in percent (NaN without any words) and counts of words, or one of these.

        Raises
        ------
        KeyError
            If the field is unknown.
        """
        total = self.wanted + self.found
        summary = {
            "F1": 200.0 * self.hits / total if total else math.nan,
            "hits": self.hits,
            "wanted": self.wanted,
            "found": self.found,
        }
        return summary if field is None else summary[field]

    def write_stats(self, filestream: TextIO) -> None:
        """Writes the summary.

        Arguments
        ---------
        filestream : TextIO
            An open text file.

        Example
        -------
        >>> import sys
        >>> emphasis = EmphasisScore()
        >>> emphasis.append(["a"], [("go",)], [("go", "now")])
        >>> emphasis.write_stats(sys.stdout)
        emphasis F1 66.67 %, 1 of 1 words, 2 found
        """
        filestream.write("emphasis F1 {F1:.2f} %, {hits} of {wanted} words, {found} found\n".format(**self.summarize()))


def _words(words: tuple[str, ...] | None) -> Counter:
    """Counts normalised words."""
    return Counter(normalise(" ".join(words or ())).split())
