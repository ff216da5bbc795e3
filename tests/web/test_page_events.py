"""The events of the page, in the order in which somebody uses it."""

from types import SimpleNamespace

from speechbrain_xser.web.clip import LONG
from speechbrain_xser.web.listeners import Listeners
from speechbrain_xser.web.page_events import STOPPED, Page
from speechbrain_xser.web.server_settings import WebSettings
from tests.web.conftest import copied


def test_after_a_stop_another_recording_can_be_chosen_at_once(recognizer, recording, tmp_path):
    page, annas = Page(recognizer, WebSettings("Model: tiny"), Listeners()), SimpleNamespace(session_hash="annas")
    reading = page.read_recording(str(copied(recording, tmp_path)), annas)
    next(reading)
    assert isinstance(page.choose_recording("other.wav", annas), dict)  # the button stays as it is
    page.stop(LONG)(annas)
    assert page.choose_recording("other.wav", annas).interactive
    assert STOPPED in list(reading)[-1]
