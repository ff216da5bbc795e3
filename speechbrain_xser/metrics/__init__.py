"""Metrics that compare answers with references, each loaded on first use.

Results are plain Python floats; rates are in percent.
"""

from __future__ import annotations

from importlib import import_module

from speechbrain_xser.metrics.table import table  # imported here because its module has the same name

_LAZY = {
    "AttributeAccuracy": "attributes",
    "CaptionScore": "captions",
    "CaptionScores": "captions",
    "CharacterErrorRate": "asr",
    "EmotionScore": "ser",
    "EmphasisScore": "attributes",
    "Scores": "scores",
    "WordErrorRate": "asr",
    "caption_scores": "captions",
    "normalise": "text_normalization",
    "score": "scores",
}
__all__ = [*_LAZY, "table"]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
