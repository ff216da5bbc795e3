"""Descriptors: accuracy of each over the utterances whose reference has it, and word F1 of the emphasis."""

from __future__ import annotations

import math
from collections import Counter
from typing import TextIO

from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.metrics.text import normalise

ATTRIBUTES = tuple(field for field in Descriptors._fields if field != "emphasis")


class AttributeAccuracy:
    """Accuracy of each descriptor in percent; unparsed is wrong, and tone and topic are compared as normalised words.

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
        """Forgets everything."""
        self.wanted: Counter = Counter()
        self.right: Counter = Counter()

    def append(self, ids, references, hypotheses) -> None:
        """Adds utterances: ids, reference :class:`Descriptors` and found ones."""
        for _, reference, found in zip(ids, references, hypotheses, strict=True):
            for field in ATTRIBUTES:
                told = getattr(reference, field)
                if told is not None:
                    self.wanted[field] += 1
                    self.right[field] += normalise(told) == normalise(getattr(found, field))

    def summarize(self, field: str | None = None):
        """A dict of the descriptors that a reference had, or one of them (NaN if none had it)."""
        summary = {name: 100.0 * self.right[name] / self.wanted[name] for name in ATTRIBUTES if self.wanted[name]}
        return summary if field is None else summary.get(field, math.nan)

    def write_stats(self, filestream: TextIO) -> None:
        """Writes a line for each descriptor."""
        for name, accuracy in self.summarize().items():
            filestream.write(f"{name} {accuracy:.2f} % of {self.wanted[name]}\n")


class EmphasisScore:
    """F1 of emphasised words in percent, over all words of the utterances whose reference tells its emphasis.

    ``F1 = 2 * hits / (reference words + found words)``. A reference of no words, ``()``, is told: what is found there
    is wrong. ``None`` is unknown and left out.

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
        """Forgets everything."""
        self.hits = self.wanted = self.found = 0

    def append(self, ids, references, hypotheses) -> None:
        """Adds utterances: ids, reference words and found words, each a tuple or ``None``."""
        for _, reference, found in zip(ids, references, hypotheses, strict=True):
            if reference is not None:
                told, heard = _words(reference), _words(found)
                self.hits += (told & heard).total()
                self.wanted += told.total()
                self.found += heard.total()

    def summarize(self, field: str | None = None):
        """A dict of ``F1`` (percent, NaN where nothing was told and nothing found) and the counts, or one of them."""
        total = self.wanted + self.found
        summary = {
            "F1": 200.0 * self.hits / total if total else math.nan,
            "hits": self.hits,
            "wanted": self.wanted,
            "found": self.found,
        }
        return summary if field is None else summary[field]

    def write_stats(self, filestream: TextIO) -> None:
        """Writes the summary."""
        filestream.write("emphasis F1 {F1:.2f} %, {hits} of {wanted} words, {found} found\n".format(**self.summarize()))


def _words(words: tuple[str, ...] | None) -> Counter:
    """Normalised words with their number."""
    return Counter(normalise(" ".join(words or ())).split())
