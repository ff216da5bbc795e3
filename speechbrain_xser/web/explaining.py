"""One clip explained for the page and for programs; the model is used by one at a time.

A clip keeps its turn to the end, a long recording gives it away after every few moments: who explains a clip waits for
those before, never for a recording of hours.
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
    """A recogniser that several people use at once, each of whom gets what their clip would get alone.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Of a model with an LLM.

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
        self.turn = Lock()  # of whoever uses the model

    def pieces(self, clip: Upload, voice: Upload | None = None) -> Iterator[str]:
        """HTML of the result while it comes: the paragraph as it grows, at last everything.

        Arguments
        ---------
        clip : Upload
            To be explained.
        voice : Upload, optional
            Whose voice is swapped in.

        Yields
        ------
        str

        Raises
        ------
        AudioError
            If a clip cannot be used.
        """
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
        """The same as plain values.

        Arguments
        ---------
        clip, voice
            As for :meth:`pieces`.

        Returns
        -------
        dict
            The explanation's fields, and those of the evidence.
        """
        with self.turn:
            evidence = self._evidence(clip, voice)
        told = evidence.explanation
        return {**told._asdict(), "descriptors": told.descriptors._asdict(), **evidence.as_dict()}

    def _evidence(self, clip: Upload, voice: Upload | None, explanation=None) -> Evidence:
        return gather_evidence(self.recognizer, clip.wav, explanation, None if voice is None else voice.wav)
