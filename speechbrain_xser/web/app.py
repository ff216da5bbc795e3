"""The layout of the web page: its components, and which event each of them starts."""

from __future__ import annotations

import gradio

from speechbrain_xser.page.fragments import hint, live_region, note, notice, title
from speechbrain_xser.web.api import api_text
from speechbrain_xser.web.clip import LONG
from speechbrain_xser.web.look import ANNOUNCED, ANNOUNCED_TIMELINE, RECORDING
from speechbrain_xser.web.page_events import CLIP, EXPLAIN, READ, VOICE, Page, busy, recording_read

TITLE = "What is said, how, and with what emotion"
LEAD = (
    "A paragraph about a clip of speech. What it says of voice and words is checked against the sound; for the "
    "emotion, which nothing can check, there is the evidence for the label. "
    "Uploads are not kept."
)
PRIVATE = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


def build_app(page: Page, address: str = "/") -> gradio.Blocks:
    """Builds the page, not launched; ``launch`` needs the theme and the style of :mod:`speechbrain_xser.web.look`."""
    with gradio.Blocks(title="xser: explainable speech emotion", analytics_enabled=False) as app:
        _endpoints(page)  # before the page's events, which must not take their names
        _html(title(TITLE, LEAD) + notice(page.settings.model) + live_region())
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
            button = gradio.Button(EXPLAIN, variant="primary", interactive=False, render=False)
            shown = _clip_input(page, CLIP, f"Your clip, up to {page.settings.max_seconds:g} seconds", button)
            with gradio.Accordion("Swap in another voice", open=False):
                _html(note("Which label would the same words get in this voice?"))
                other = _clip_input(page, VOICE, "A clip of the other voice", button)
                gradio.Button("Without another voice", size="sm").click(page.drop_voice, None, other, **PRIVATE)
            button.render()
            stop = gradio.Button("Stop", visible=False)
            _html(note("Examples, spoken by a synthesiser:"))
            with gradio.Row(elem_classes="xser-web-examples"):
                examples = [gradio.Button(example.title, size="sm", min_width=110) for example in page.examples]
        with gradio.Column(scale=5, min_width=320, elem_classes="xser-web-results"):
            result = _html(hint("The paragraph and its evidence will appear here."), ANNOUNCED)
    controls = [button, stop, *examples]
    begun = [button.click(busy("Explaining …", len(examples)), None, controls, **PRIVATE)]
    for part, example in zip(examples, page.examples, strict=True):
        chosen = part.click(page.hand_in_example(example), None, [shown, button], **PRIVATE)
        begun.append(chosen.then(busy("Explaining …", len(examples)), None, controls, **PRIVATE))
    explaining = [one.then(page.explain, None, result, **PRIVATE) for one in begun]
    for one in explaining:
        one.then(page.rest, None, controls, **PRIVATE)
    stop.click(page.stop(CLIP), None, result, cancels=explaining, **PRIVATE).then(page.rest, None, controls, **PRIVATE)


def _clip_input(page: Page, place: str, label: str, button: gradio.Button) -> gradio.HTML:
    """An input for a clip, and below it a player."""
    given = gradio.Audio(
        sources=["upload", "microphone"], type="filepath", label=label, editable=False, elem_classes="xser-web-input"
    )
    shown = _html("")
    given.change(page.hand_in(place), given, [given, shown, button], **PRIVATE)
    return shown


def _html(text: str, script: str | None = None) -> gradio.HTML:
    """HTML in our own style."""
    return gradio.HTML(text, apply_default_css=False, js_on_load=script)


def _recording_tab(page: Page) -> None:
    label = f"A recording, up to {page.settings.max_hours:g} hours and {page.settings.max_megabytes:g} MB"
    given = gradio.File(label=label, file_types=["audio", "video"], height=140, elem_id=RECORDING)
    with gradio.Row():
        button = gradio.Button(READ, variant="primary", interactive=False)
        stop = gradio.Button("Stop", visible=False)
    result = _html(hint("The stretches of speech will appear here."), ANNOUNCED_TIMELINE)
    over = [given, button, stop]
    given.change(page.choose_recording, given, button, **PRIVATE)
    begun = button.click(busy("Reading …"), None, [button, stop], **PRIVATE)
    reading = begun.then(page.read_recording, given, result, **PRIVATE)
    reading.then(recording_read, None, over, **PRIVATE)
    stop.click(page.stop(LONG), None, result, cancels=[reading], **PRIVATE).then(recording_read, None, over, **PRIVATE)


def _endpoints(page: Page) -> None:
    """The API's endpoints, which are invisible on the page."""
    labels = "a clip of speech", "another voice", "a long recording"
    clip, voice, recording = (gradio.Audio(visible=False, type="filepath", label=label) for label in labels)
    answer, button = gradio.JSON(visible=False, label="answer"), gradio.Button(visible=False)
    button.click(page.api_explain, [clip, voice], answer, api_name="explain", concurrency_limit=None)
    button.click(page.api_timeline, recording, answer, api_name="timeline", concurrency_limit=None)
