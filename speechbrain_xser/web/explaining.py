"""Explains one clip for the page and for programs, one user of the model at a time.

A clip keeps its turn to the end, while a long recording gives it up after every few moments. So a clip waits for clips
before it, but never for a recording of hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING

from speechbrain_xser.evidence.clip_evidence import Evidence, gather_evidence
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.page.fragments import streaming_paragraph
from speechbrain_xser.web.clip import Upload

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer


class Explainer:
    """A recogniser for several simultaneous users, each of whom gets what their clip would get alone.

    Example
    -------
    >>> import speechbrain_xser, torch
    >>> from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
    >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
    >>> clip = Upload("a.wav", torch.from_numpy(speak(plan("test", 3, seed=1))), 16000)
    >>> *pieces, last = Explainer(recognizer).pieces(clip)
    >>> all("xser-web-streaming" in piece for piece in pieces), "xser-evidence" in last
    (True, True)
    """

    def __init__(self, recognizer: ExplainableEmotionRecognizer) -> None:
        self.recognizer = recognizer
        self.turn = Lock()  # held while the model is in use

    def pieces(self, clip: Upload, voice: Upload | None = None) -> Iterator[str]:
        """HTML of the result as it arrives: the growing paragraph, and finally everything; ``voice`` is swapped in."""
        yield streaming_paragraph("", "Waiting for the model …")
        with self.turn:
            yield streaming_paragraph("", "Listening …")
            for found in self.recognizer.explain_live(clip.wav):
                if isinstance(found, str):
                    yield streaming_paragraph(found, "Writing …")
            if found.speech:
                yield streaming_paragraph(found.paragraph, "Gathering the evidence …")
            evidence = self._evidence(clip, voice, found)
        yield evidence_sections(evidence)

    def answer(self, clip: Upload, voice: Upload | None = None) -> dict:
        """The same as plain values: the fields of the explanation and of the evidence."""
        with self.turn:
            evidence = self._evidence(clip, voice)
        told = evidence.explanation
        return {**told._asdict(), "descriptors": told.descriptors._asdict(), **evidence.as_dict()}

    def _evidence(self, clip: Upload, voice: Upload | None, explanation=None) -> Evidence:
        return gather_evidence(self.recognizer, clip.wav, explanation, None if voice is None else voice.wav)
