"""Metrics: what an answer is worth against its reference. Only plain Python floats leave; rates are in percent."""

from speechbrain_xser.metrics.asr import CharacterErrorRate, WordErrorRate
from speechbrain_xser.metrics.attributes import AttributeAccuracy, EmphasisScore
from speechbrain_xser.metrics.captions import CaptionScore, CaptionScores, caption_scores
from speechbrain_xser.metrics.scores import Scores, score
from speechbrain_xser.metrics.ser import EmotionScore
from speechbrain_xser.metrics.table import table
from speechbrain_xser.metrics.text import normalise

__all__ = [
    "AttributeAccuracy",
    "CaptionScore",
    "CaptionScores",
    "CharacterErrorRate",
    "EmotionScore",
    "EmphasisScore",
    "Scores",
    "WordErrorRate",
    "caption_scores",
    "normalise",
    "score",
    "table",
]
