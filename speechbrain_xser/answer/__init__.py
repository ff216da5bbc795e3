"""Answers: turns a record into one paragraph (``render``, or ``write`` for varied wording), and back (``parse``).

Everything that reads or writes the decoder's text is here, so that training targets, evaluation and inference share one
wording. Plain text only: no torch, no audio.
"""

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.parse import emotion_span, parse
from speechbrain_xser.answer.phrases import emotion_phrase
from speechbrain_xser.answer.record import Descriptors, Record
from speechbrain_xser.answer.render import VARIANTS, canonical, describe, render
from speechbrain_xser.answer.wording import write, write_description

__all__ = [
    "Descriptors",
    "Explanation",
    "Record",
    "VARIANTS",
    "canonical",
    "check_labels",
    "describe",
    "emotion_phrase",
    "emotion_span",
    "parse",
    "render",
    "write",
    "write_description",
]
