"""A trained model for its users: one recogniser for files, arrays, batches and manifests.

Moves to ``speechbrain/inference``.
"""

from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
from speechbrain_xser.inference.sound_pipeline import pipeline

__all__ = ["ExplainableEmotionRecognizer", "pipeline"]
