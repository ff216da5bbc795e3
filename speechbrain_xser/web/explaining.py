"""Explains one clip for the page and for programs: one at a time, and only while somebody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_xser.evidence.clip_evidence import Evidence, gather_evidence
from speechbrain_xser.page.brief import emotion_text
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.page.fragments import Link, result_head, streaming_paragraph
from speechbrain_xser.utils.modes import each_within
from speechbrain_xser.utils.stopping import stoppable
from speechbrain_xser.web.clip import Upload, held, read_upload, said
from speechbrain_xser.web.line import Line
from speechbrain_xser.web.listeners import Presence

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer


ALWAYS = Presence()  # somebody listens, whatever happens


class Explainer:
    """A recogniser for several simultaneous users, each of whom gets what their clip would get alone.

    Every method takes a place in the line, and turns; it raises a ``BusyError`` if there is none, and ends with an
    ``AbandonedError`` once nobody listens any more.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Of a model with an LLM.
    line : Line, optional
        In front of it.

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

    def __init__(self, recognizer: ExplainableEmotionRecognizer, line: Line | None = None) -> None:
        self.recognizer, self.line = recognizer, line or Line()

    def read(self, path: str | Path, max_seconds: float, presence: Presence = ALWAYS) -> Upload:
        """A clip that was uploaded, read in a turn."""
        with self.line.place(), held(path) as file, self.line.turn(presence):
            return read_upload(self.recognizer, file, max_seconds)

    def pieces(
        self,
        clip: Upload,
        voice: Upload | None = None,
        presence: Presence = ALWAYS,
        saved: Callable[[Evidence], Sequence[Link]] = lambda _: (),
    ) -> Iterator[str]:
        """HTML of the result as it arrives: the growing paragraph, and finally everything; ``voice`` is swapped in.

        ``saved`` gives links to the files of the result.
        """
        with self.line.place():
            yield streaming_paragraph("", "Waiting for the model …")
            with self.line.turn(presence):
                yield streaming_paragraph("", "Listening …")
                for found in each_within(self.recognizer.explain_live(clip.wav), lambda: stoppable(presence.check)):
                    if isinstance(found, str):
                        yield streaming_paragraph(found, "Writing …")
                if found.speech:
                    yield streaming_paragraph(found.paragraph, "Gathering the evidence …")
                evidence = self._evidence(clip, voice, found, presence)
            told = f"{clip.name} is explained: {emotion_text(found)}"
            yield result_head(clip.name, said(clip.seconds), told, saved(evidence)) + evidence_sections(evidence)

    def answer(
        self, path: str | Path, voice_path: str | Path | None, max_seconds: float, presence: Presence = ALWAYS
    ) -> dict:
        """The same for uploads as plain values: the fields of the explanation and of the evidence."""
        with self.line.place(), _all_held(path, voice_path) as files, self.line.turn(presence):
            clip, *others = [read_upload(self.recognizer, file, max_seconds) for file in files]
            voice = others[0] if others else None
            with stoppable(presence.check):
                told = self.recognizer.explain_batch([clip.wav])[0]
            evidence = self._evidence(clip, voice, told, presence)
        return {**told._asdict(), "descriptors": told.descriptors._asdict(), **evidence.as_dict()}

    def _evidence(self, clip: Upload, voice: Upload | None, told: Explanation, presence: Presence) -> Evidence:
        """The evidence; its computation ends soon after nobody listens any more."""
        presence.check()
        with stoppable(presence.check):
            return gather_evidence(self.recognizer, clip.wav, told, None if voice is None else voice.wav)


@contextmanager
def _all_held(*paths: str | Path | None) -> Iterator[list[Path]]:
    """Holds several uploads, of which some may be none."""
    with ExitStack() as stack:
        yield [stack.enter_context(held(path)) for path in paths if path]
