"""Compares emphasis with EmoDB's hand-labelled sentence accents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recipes.Annotator.accents import Labelled
from speechbrain_xser.annotator.emphasis import emphasised, prominences


class TopWords(NamedTuple):
    """How often one word of each clip carries an accent, over the clips that have an accent."""

    clips: int
    by_hand: float  # the most prominent word, with hand-labelled word times
    aligned: float  # the same, with word times from eSpeak's reading
    last: float
    longest: float  # the longest word, with hand-labelled word times
    chance: float


class NamedWords(NamedTuple):
    """How often emphasised words carry an accent, with word times from eSpeak's reading."""

    clips: int
    named: int
    accented: float  # share of the emphasised words
    usual: float  # share of all words


def top_words(clips: list[Labelled]) -> TopWords:
    """Shares of the clips whose most prominent, last, longest and average word is accented."""
    clips = [clip for clip in clips if clip.accented.any()]
    by_hand = [clip.accented[np.argmax(prominences(clip.heard, clip.transcript, "de", clip.words))] for clip in clips]
    aligned = [clip.accented[np.argmax(prominences(clip.heard, clip.transcript, "de"))] for clip in clips]
    last = [clip.accented[-1] for clip in clips]
    longest = [clip.accented[np.argmax([word[2] - word[1] for word in clip.words])] for clip in clips]
    chance = [clip.accented.mean() for clip in clips]
    return TopWords(len(clips), *(float(np.mean(hits)) for hits in (by_hand, aligned, last, longest, chance)))


def named_words(clips: list[Labelled]) -> NamedWords:
    """The emphasised words of all clips, including clips without an accent."""
    hits: list[bool] = []
    for clip in clips:
        names = [word.strip('.,?"') for word in clip.transcript.split()]
        found = emphasised(clip.transcript, prominences(clip.heard, clip.transcript, "de"))
        hits += [bool(clip.accented[names.index(word)]) for word in found]
    usual = np.concatenate([clip.accented for clip in clips]).mean()
    return NamedWords(len(clips), len(hits), float(np.mean(hits)), float(usual))
