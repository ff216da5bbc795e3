"""A trained model as the annotator's classifier of emotion and age."""

from __future__ import annotations

from torch import Tensor

from speechbrain_xser.annotator.classifier import Classifier
from speechbrain_xser.answer.explanation import UNKNOWN
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer


def recognizer_classifier(source: str, device: str = "cpu") -> Classifier:
    """A trained model folder of this package as a classifier.

    Arguments
    ---------
    source : str
        A folder, or another source that :meth:`ExplainableEmotionRecognizer.from_hparams` accepts.
    device : str
        The device to run on.

    Returns
    -------
    Classifier
        Clips longer than the model accepts are cut to its limit. A clip out of the model's domain gets no emotion.
    """
    recognizer = ExplainableEmotionRecognizer.from_hparams(source, run_opts={"device": device}, pretrained=False)
    longest = round(recognizer.hparams.max_seconds * SAMPLE_RATE)

    def labels(wav: Tensor) -> dict[str, str | None]:
        (explanation,) = recognizer.explain_batch(wav[None, :longest].to(device))
        emotion = None if explanation.emotion == UNKNOWN else explanation.emotion
        return {"emotion": emotion, "age": explanation.descriptors.age}

    return Classifier(str(source), labels)
