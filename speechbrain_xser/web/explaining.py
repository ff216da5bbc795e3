"""One clip explained for the page and for programs; the model is used by one at a time, a step of each in turn."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING

from speechbrain_xser.evidence.gather import Evidence, gather_evidence
from speechbrain_xser.modes import each_within
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.web.clip import Clip
from speechbrain_xser.web.fragments import growing_paragraph

if TYPE_CHECKING:
    from speechbrain_xser.inference import ExplainableEmotionRecognizer


class Explainer:
    """A recogniser that several people use at once, each of whom gets what their clip would get alone.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Of a model with an LLM.

    Example
    -------
    >>> import speechbrain_xser, torch
    >>> from speechbrain_xser.inference import ExplainableEmotionRecognizer
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
    >>> clip = Clip("a.wav", 0.1 * torch.randn(16000), 16000)
    >>> *pieces, last = Explainer(recognizer).pieces(clip)
    >>> all("xser-web-growing" in piece for piece in pieces), "xser-evidence" in last
    (True, True)
    """

    def __init__(self, recognizer: ExplainableEmotionRecognizer) -> None:
        self.recognizer = recognizer
        self.turn = Lock()  # held while the model computes, never while a page waits for the next piece

    def pieces(self, clip: Clip, voice: Clip | None = None) -> Iterator[str]:
        """HTML of the result while it comes: the paragraph as it grows, at last everything.

        Arguments
        ---------
        clip : Clip
            To be explained.
        voice : Clip, optional
            Whose voice is swapped in.

        Yields
        ------
        str

        Raises
        ------
        AudioError
            If a clip cannot be used.
        """
        text = ""
        yield growing_paragraph(text, "Listening …")
        for found in each_within(self.recognizer.explain_live(clip.wav), lambda: self.turn):
            if isinstance(found, str):
                text = found
                yield growing_paragraph(text, "Writing …")
        yield growing_paragraph(text, "Gathering the evidence …")
        yield evidence_sections(self._evidence(clip, voice, found))

    def answer(self, clip: Clip, voice: Clip | None = None) -> dict:
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
        evidence = self._evidence(clip, voice)
        told = evidence.explanation
        return {**told._asdict(), "descriptors": told.descriptors._asdict(), **evidence.as_dict()}

    def _evidence(self, clip: Clip, voice: Clip | None, explanation=None) -> Evidence:
        with self.turn:
            return gather_evidence(self.recognizer, clip.wav, explanation, None if voice is None else voice.wav)
