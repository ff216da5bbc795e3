"""What happens when a part of the page is used.

Each session has its clips and results in memory and none in a file. The page's events are not part of the API, which
has its own endpoints. Gradio starts every event at once; inside, an event waits for its turn with the model, or ends if
there are too many or nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gradio
from gradio.context import LocalContext

from speechbrain_xser.errors import AbandonedError, AudioError, BusyError
from speechbrain_xser.page.fragments import Link, alert, hint, player
from speechbrain_xser.web.bodies import owner_of
from speechbrain_xser.web.clip import LONG, Upload, said
from speechbrain_xser.web.downloads import Result
from speechbrain_xser.web.examples import Example, speak_examples
from speechbrain_xser.web.explaining import Explainer
from speechbrain_xser.web.line import Line
from speechbrain_xser.web.listeners import Listeners, Presence
from speechbrain_xser.web.long_recording import recording_answer, recording_pieces
from speechbrain_xser.web.result_files import ModelText, clip_files, recording_files
from speechbrain_xser.web.server_settings import WebSettings
from speechbrain_xser.web.sessions import Sessions

if TYPE_CHECKING:
    from speechbrain_xser.evidence.clip_evidence import Evidence
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
    from speechbrain_xser.timeline.moment import Moment
    from speechbrain_xser.timeline.recording import Recording

CLIP, VOICE = "Clip", "Other voice"
EXPLAIN, READ = "Explain", "Read the recording"
FIRST = "Record or upload a clip first, or choose an example."
NO_FILE = "Upload a recording first."
STOPPED = "Stopped."


class Page:
    """The events of the page.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Of a model with an LLM.
    settings : WebSettings
        Limits.
    answers : Listeners
        Who waits for answers.
    """

    def __init__(
        self, recognizer: ExplainableEmotionRecognizer, settings: WebSettings, answers: Listeners
    ) -> None:
        self.settings, self.answers = settings, answers
        self.explainer = Explainer(recognizer, Line(settings.places))
        self.sessions = Sessions(settings.max_clip_bytes, settings.max_result_bytes)
        emotions, reliability = tuple(recognizer.hparams.emotions), recognizer.reliability
        self.model = ModelText(settings.model, settings.model_name, emotions, reliability)
        self.examples = speak_examples()
        self._running: dict[tuple[str, str], Presence] = {}  # who listens, by session and place

    def hand_in(self, place: str) -> Callable:
        """The event of a recorded or uploaded clip; it empties the input afterwards."""

        def handed(path: str | None, request: gradio.Request) -> tuple:
            if path is None:  # the input was emptied
                return gradio.skip(), gradio.skip(), gradio.skip()
            try:
                clip = self.explainer.read(path, self.settings.max_seconds, self._presence(request))
            except (AbandonedError, AudioError, BusyError) as error:
                clip, seen = None, alert(str(error))
            else:
                seen = _player(clip, place)
            self.sessions.keep(request.session_hash, place, clip)
            return None, seen, self._button(request)

        return handed

    def hand_in_example(self, example: Example) -> Callable:
        """The event of choosing an example."""

        def chosen(request: gradio.Request) -> tuple:
            self.sessions.keep(request.session_hash, CLIP, example.clip)
            return _player(example.clip, CLIP), self._button(request)

        return chosen

    def drop_voice(self, request: gradio.Request) -> str:
        """The event of removing the other voice."""
        self.sessions.keep(request.session_hash, VOICE, None)
        return ""

    def explain(self, request: gradio.Request) -> Iterator[str]:
        """The event of requesting an explanation."""
        clip, voice = (self.sessions.get(request.session_hash, place) for place in (CLIP, VOICE))
        if clip is None:
            yield alert(FIRST)
            return

        def saved(evidence: Evidence) -> list[Link]:
            return self._saved(request, CLIP, clip_files(clip, evidence, self.model))

        with self._started(request, CLIP) as presence:
            yield from self._told(self.explainer.pieces(clip, voice, presence, saved))

    def read_recording(self, path: str | None, request: gradio.Request) -> Iterator[str]:
        """The event of requesting a timeline."""
        if path is None:
            yield alert(NO_FILE)
            return

        def saved(moments: list[Moment], recording: Recording) -> list[Link]:
            return self._saved(request, LONG, recording_files(moments, recording, self.model))

        with self._started(request, LONG) as presence:
            yield from self._told(
                recording_pieces(self.explainer, path, self.settings.max_hours, presence, saved)
            )

    def choose_recording(self, path: str | None, request: gradio.Request) -> gradio.Button | dict:
        """The event of a file that is chosen or removed."""
        if self._runs(request, LONG):
            return gradio.skip()
        return gradio.Button(interactive=path is not None)

    def stop(self, place: str) -> Callable:
        """The event of stopping what runs at a place."""

        def stopped(request: gradio.Request) -> str:
            if (presence := self._running.get((request.session_hash, place))) is not None:
                presence.stop()
            return hint(STOPPED)

        return stopped

    def rest(self, request: gradio.Request) -> list[gradio.Button]:
        """The event of an explanation's end: the buttons as they were before."""
        ready = self.sessions.get(request.session_hash, CLIP) is not None
        again = [gradio.Button(interactive=True) for _ in self.examples]
        return [gradio.Button(EXPLAIN, interactive=ready), gradio.Button(visible=False), *again]

    def forget(self, request: gradio.Request) -> None:
        """The event of closing a page."""
        self.sessions.forget(request.session_hash)

    def api_explain(self, clip: str, voice: str | None = None, request: gradio.Request | None = None) -> dict:
        """Explains a clip of speech: paragraph, transcript, descriptors, emotion, probabilities, and the evidence."""
        taken = (clip, voice, self.settings.max_seconds, self._presence(request))
        return self._answered(lambda: self.explainer.answer(*taken))

    def api_timeline(self, recording: str, request: gradio.Request | None = None) -> dict:
        """Explains each stretch of speech of a long recording."""
        taken = (recording, self.settings.max_hours, self._presence(request))
        return self._answered(lambda: recording_answer(self.explainer, *taken))

    def _button(self, request: gradio.Request) -> gradio.Button | dict:
        """The Explain button, which can be clicked if there is a clip and nothing runs."""
        if self._runs(request, CLIP):
            return gradio.skip()
        return gradio.Button(interactive=self.sessions.get(request.session_hash, CLIP) is not None)

    def _runs(self, request: gradio.Request, place: str) -> bool:
        """Whether something runs at a place that was not stopped, though it may not have ended yet."""
        presence = self._running.get((request.session_hash, place))
        return presence is not None and not presence.stopped

    @contextmanager
    def _started(self, request: gradio.Request, place: str) -> Iterator[Presence]:
        """Who listens to what runs at a place from now on, and may stop it."""
        key, presence = (request.session_hash, place), self._presence(request)
        self._running[key] = presence
        try:
            yield presence
        finally:
            if self._running.get(key) is presence:  # and no later one
                del self._running[key]

    def _saved(self, request: gradio.Request, place: str, files: dict[str, bytes]) -> list[Link]:
        """Keeps the files of a result, instead of those of the place's last one, for who asked."""
        result = Result.owned_by(owner_of(request.request.cookies), files)
        self.sessions.keep(request.session_hash, f"{place}, result", result)
        return result.links

    def _presence(self, request: gradio.Request) -> Presence:
        """Who listens to the answer to a request, by its session or by its event."""
        return Presence(self.answers, request.session_hash, LocalContext.event_id.get(None) or "")

    @staticmethod
    def _told(pieces: Iterator[str]) -> Iterator[str]:
        """Shows an error about unusable input, or that the server is busy, as a message on the page."""
        try:
            yield from pieces
        except AbandonedError:
            yield hint(STOPPED)
        except (AudioError, BusyError) as error:
            yield alert(str(error))

    @staticmethod
    def _answered(answer: Callable[[], object]) -> object:
        """Returns an error about unusable input, or that the server is busy, as an error of the API."""
        try:
            return answer()
        except (AbandonedError, AudioError, BusyError) as error:
            raise gradio.Error(str(error), print_exception=False) from error


def busy(doing: str, others: int = 0) -> Callable[[], list[gradio.Button]]:
    """The event of a beginning: the button says what is done, it can be stopped, and nothing else can be begun."""

    def begun() -> list[gradio.Button]:
        off = [gradio.Button(interactive=False) for _ in range(others)]
        return [gradio.Button(doing, interactive=False), gradio.Button(visible=True), *off]

    return begun


def recording_read() -> list:
    """The event of a recording's end: its file is gone, and another one can be chosen."""
    return [None, gradio.Button(READ, interactive=False), gradio.Button(visible=False)]


def _player(clip: Upload, label: str) -> str:
    return player(clip.name, said(clip.seconds), clip.source(), label)
