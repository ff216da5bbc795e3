"""Clips to try without a microphone: a few sentences of the embedded corpus, spoken when the server starts."""

from __future__ import annotations

from typing import NamedTuple

import torch

from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.web.clip import Upload

SEED = 1
CHOSEN = (3, 1, 2, 5)  # numbers of clips by test voices, on which no packaged model is trained


class Example(NamedTuple):
    """A clip and its true labels as a title."""

    title: str
    clip: Upload


def speak_examples() -> list[Example]:
    """Speaks the examples; nothing is downloaded or read."""
    return [_example(number) for number in CHOSEN]


def _example(number: int) -> Example:
    drawn = plan("test", number, SEED)
    person = {"female": "woman", "male": "man"}[drawn.voice.gender]
    article = "An" if drawn.emotion[0] in "aeiou" else "A"
    title = f"{article} {drawn.emotion} {person}"
    return Example(title, Upload(f"{title} (eSpeak NG)", torch.from_numpy(speak(drawn)), SAMPLE_RATE))
