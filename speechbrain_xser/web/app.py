"""The web page: its components, and what happens when one is used.

Each session has its clips in memory and none in a file. The page's events are not part of the API, which has its own
endpoints. Gradio starts every event at once; inside, an event waits for its turn with the model, or ends if there are
too many or nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import gradio
from gradio.context import LocalContext

from speechbrain_xser.errors import AbandonedError, AudioError, BusyError
from speechbrain_xser.page.fragments import alert, hint, note, notice, player, title
from speechbrain_xser.web.api import api_text
from speechbrain_xser.web.clip import LONG, Upload, said
from speechbrain_xser.web.examples import Example, speak_examples
from speechbrain_xser.web.explaining import Explainer
from speechbrain_xser.web.line import Line
from speechbrain_xser.web.listeners import Listeners, Presence
from speechbrain_xser.web.long_recording import recording_answer, recording_pieces
from speechbrain_xser.web.look import RECORDING, START_TIMELINE
from speechbrain_xser.web.server_settings import WebSettings
from speechbrain_xser.web.sessions import Sessions

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

CLIP, VOICE = "Clip", "Other voice"
FIRST = "Record or upload a clip first, or choose an example."
NO_FILE = "Upload a recording first."
TITLE = "What is said, how, and with what emotion"
LEAD = (
    "A paragraph about a clip of speech. What it says of voice and words is checked against the sound; for the "
    "emotion, which nothing can check, there is the evidence for the label. "
    "Uploads are not kept."
)
PRIVATE = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


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
        self.explainer, self.sessions = Explainer(recognizer, Line(settings.places)), Sessions(settings.max_clip_bytes)
        self.examples = speak_examples()

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
        taken = (clip, voice, self._presence(request))
        yield from self._told(alert(FIRST) if clip is None else self.explainer.pieces(*taken))

    def read_recording(self, path: str | None, request: gradio.Request) -> Iterator[str]:
        """The event of requesting a timeline."""
        taken = (path, self.settings.max_hours, self._presence(request))
        yield from self._told(recording_pieces(self.explainer, *taken) if path else alert(NO_FILE))

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

    def _button(self, request: gradio.Request) -> gradio.Button:
        """The Explain button, which can be clicked if there is a clip."""
        return gradio.Button(interactive=self.sessions.get(request.session_hash, CLIP) is not None)

    def _presence(self, request: gradio.Request) -> Presence:
        """Who listens to the answer to a request, by its session or by its event."""
        return Presence(self.answers, request.session_hash, LocalContext.event_id.get(None) or "")

    @staticmethod
    def _told(pieces: str | Iterator[str]) -> Iterator[str]:
        """Shows an error about unusable input, or that the server is busy, as a message on the page."""
        try:
            yield from [pieces] if isinstance(pieces, str) else pieces
        except (AbandonedError, AudioError, BusyError) as error:
            yield alert(str(error))

    @staticmethod
    def _answered(answer: Callable[[], object]) -> object:
        """Returns an error about unusable input, or that the server is busy, as an error of the API."""
        try:
            return answer()
        except (AbandonedError, AudioError, BusyError) as error:
            raise gradio.Error(str(error), print_exception=False) from error


def build_app(page: Page, address: str = "/") -> gradio.Blocks:
    """Builds the page, not launched; ``launch`` needs the theme and the style of :mod:`speechbrain_xser.web.look`."""
    with gradio.Blocks(title="xser: explainable speech emotion", analytics_enabled=False) as app:
        _endpoints(page)  # before the page's events, which must not take their names
        _html(title(TITLE, LEAD) + notice(page.settings.model))
        with gradio.Tab("Clip"):
            _clip_tab(page)
        with gradio.Tab(LONG):
            _recording_tab(page)
        with gradio.Tab("API"):
            gradio.Markdown(api_text(address), elem_classes="xser-web-api")
        app.unload(page.forget)  # with it, an open page keeps a connection
    return app


def _clip_tab(page: Page) -> None:
    with gradio.Row(equal_height=False):
        with gradio.Column(scale=2, min_width=280):
            button = gradio.Button("Explain", variant="primary", interactive=False, render=False)
            shown = _clip_input(page, CLIP, f"Your clip, up to {page.settings.max_seconds:g} seconds", button)
            with gradio.Accordion("Swap in another voice", open=False):
                _html(note("Which label would the same words get in this voice?"))
                other = _clip_input(page, VOICE, "A clip of the other voice", button)
                gradio.Button("Without another voice", size="sm").click(page.drop_voice, None, other, **PRIVATE)
            button.render()
            _html(note("Examples, spoken by a synthesiser:"))
            with gradio.Row(elem_classes="xser-web-examples"):
                examples = [gradio.Button(example.title, size="sm", min_width=110) for example in page.examples]
        with gradio.Column(scale=5, min_width=320, elem_classes="xser-web-results"):
            result = _html(hint("The paragraph and its evidence will appear here."))
    button.click(page.explain, None, result, **PRIVATE)
    for part, example in zip(examples, page.examples, strict=True):
        chosen = part.click(page.hand_in_example(example), None, [shown, button], **PRIVATE)
        chosen.then(page.explain, None, result, **PRIVATE)


def _clip_input(page: Page, place: str, label: str, button: gradio.Button) -> gradio.HTML:
    """An input for a clip, and below it a player."""
    given = gradio.Audio(
        sources=["upload", "microphone"], type="filepath", label=label, editable=False, elem_classes="xser-web-input"
    )
    shown = _html("")
    given.change(page.hand_in(place), given, [given, shown, button], **PRIVATE)
    return shown


def _player(clip: Upload, label: str) -> str:
    return player(clip.name, said(clip.seconds), clip.source(), label)


def _html(text: str) -> gradio.HTML:
    """HTML in our own style."""
    return gradio.HTML(text, apply_default_css=False, js_on_load=None)


def _recording_tab(page: Page) -> None:
    label = f"A recording, up to {page.settings.max_hours:g} hours and {page.settings.max_megabytes:g} MB"
    given = gradio.File(label=label, file_types=["audio", "video"], height=140, elem_id=RECORDING)
    with gradio.Row():
        button = gradio.Button("Read the recording", variant="primary", interactive=False)
        stop = gradio.Button("Stop")
    result = gradio.HTML(
        hint("The stretches of speech will appear here."), apply_default_css=False, js_on_load=START_TIMELINE
    )
    given.change(lambda path: gradio.Button(interactive=path is not None), given, button, **PRIVATE)
    reading = button.click(page.read_recording, given, result, **PRIVATE)
    reading.then(lambda: None, None, given, **PRIVATE)
    stop.click(lambda: (None, hint("Stopped.")), None, [given, result], cancels=[reading], **PRIVATE)


def _endpoints(page: Page) -> None:
    """The API's endpoints, which are invisible on the page."""
    labels = "a clip of speech", "another voice", "a long recording"
    clip, voice, recording = (gradio.Audio(visible=False, type="filepath", label=label) for label in labels)
    answer, button = gradio.JSON(visible=False, label="answer"), gradio.Button(visible=False)
    button.click(page.api_explain, [clip, voice], answer, api_name="explain", concurrency_limit=None)
    button.click(page.api_timeline, recording, answer, api_name="timeline", concurrency_limit=None)
