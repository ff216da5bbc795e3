"""Word and character error rate over a whole corpus.

The rate is (substitutions + deletions + insertions) / (words or characters of the references).
"""

from __future__ import annotations

import math
from typing import NamedTuple, TextIO

import jiwer

from speechbrain_xser.metrics.text_normalization import normalise


class WordErrors(NamedTuple):
    """Counts over a corpus, and their rate in percent (NaN if the references have no words)."""

    WER: float
    words: int
    substitutions: int
    deletions: int
    insertions: int


class CharacterErrors(NamedTuple):
    """Counts over a corpus, and their rate in percent; single spaces between words are characters."""

    CER: float
    characters: int
    substitutions: int
    deletions: int
    insertions: int


class WordErrorRate:
    """Collects transcripts and computes the corpus's word error rate with jiwer, after :func:`normalise`.

    Utterances whose reference is unknown (``None``) are skipped. A hypothesis of ``None`` has no words, so each word of
    its reference counts as deleted.

    The interface is that of SpeechBrain's ``MetricStats``.

    Example
    -------
    >>> errors = WordErrorRate()
    >>> errors.append(["a", "b"], ["The cat sat.", "On a mat."], ["the cat sat", None])
    >>> errors.summarize("WER")
    50.0
    >>> errors.summarize()
    {'WER': 50.0, 'words': 6, 'substitutions': 0, 'deletions': 3, 'insertions': 0}
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Removes everything."""
        self.ids: list[str] = []
        self.references: list[str] = []
        self.hypotheses: list[str] = []

    def append(self, ids, references, hypotheses) -> None:
        """Adds utterances.

        Arguments
        ---------
        ids : sequence of str
            Utterance ids.
        references, hypotheses : sequence of (str or None)
            Transcripts.

        Raises
        ------
        ValueError
            If the sequences differ in length.
        """
        for id, reference, hypothesis in zip(ids, references, hypotheses, strict=True):
            if reference is not None:
                self.ids.append(id)
                self.references.append(normalise(reference))
                self.hypotheses.append(normalise(hypothesis))

    def summarize(self, field: str | None = None):
        """The corpus's word errors.

        Arguments
        ---------
        field : str, optional
            A field of :class:`WordErrors`; all by default.

        Returns
        -------
        dict, or float or int
            All fields by name, or the value of one: the rate in percent, or a count.

        Raises
        ------
        KeyError
            If the field is unknown.
        """
        summary = self._errors()._asdict()
        return summary if field is None else summary[field]

    def write_stats(self, filestream: TextIO) -> None:
        """Writes the summary and each utterance's words.

        Arguments
        ---------
        filestream : TextIO
            An open text file.

        Example
        -------
        >>> import sys
        >>> errors = WordErrorRate()
        >>> errors.append(["a"], ["Hello you."], ["hello"])
        >>> errors.write_stats(sys.stdout)
        50.00 % WER, 2 words, S 0 D 1 I 0
        a
          ref: hello you
          hyp: hello
        """
        (name, rate), (unit, count), *counts = self.summarize().items()
        edits = " ".join(f"{kind[0].upper()} {number}" for kind, number in counts)
        filestream.write(f"{rate:.2f} % {name}, {count} {unit}, {edits}\n")
        for id, reference, hypothesis in zip(self.ids, self.references, self.hypotheses, strict=True):
            filestream.write(f"{id}\n  ref: {reference}\n  hyp: {hypothesis}\n")

    def _errors(self) -> WordErrors:
        if not self.references:
            return WordErrors(math.nan, 0, 0, 0, 0)
        found = jiwer.process_words(self.references, self.hypotheses)
        wrong = found.substitutions + found.deletions + found.insertions
        words = sum(len(reference.split()) for reference in self.references)
        rate = 100.0 * wrong / words if words else math.nan
        return WordErrors(rate, words, found.substitutions, found.deletions, found.insertions)


class CharacterErrorRate(WordErrorRate):
    """As :class:`WordErrorRate`, for characters.

    Example
    -------
    >>> errors = CharacterErrorRate()
    >>> errors.append(["a"], ["It is."], ["it was"])
    >>> errors.summarize()
    {'CER': 40.0, 'characters': 5, 'substitutions': 1, 'deletions': 0, 'insertions': 1}
    """

    def _errors(self) -> CharacterErrors:
        if not self.references:
            return CharacterErrors(math.nan, 0, 0, 0, 0)
        found = jiwer.process_characters(self.references, self.hypotheses)
        wrong = found.substitutions + found.deletions + found.insertions
        characters = sum(map(len, self.references))
        rate = 100.0 * wrong / characters if characters else math.nan
        return CharacterErrors(rate, characters, found.substitutions, found.deletions, found.insertions)
