"""What is kept for clients ends with them."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_xser.web.clip import Upload
from speechbrain_xser.web.leftovers import Leftovers
from speechbrain_xser.web.listeners import Listeners
from speechbrain_xser.web.sessions import Sessions


@pytest.fixture
def app():
    """What Gradio keeps: sessions named after what they do."""
    names = ("heard", "running", "open", "unheard")
    queue = SimpleNamespace(
        pending_messages_per_session=dict.fromkeys(names),
        pending_event_ids_session={name: {name} if name in ("running", "unheard") else set() for name in names},
        event_ids_to_events={"running": None},
    )
    states = SimpleNamespace(session_data=dict.fromkeys(names), time_last_used=dict.fromkeys(names))
    return SimpleNamespace(_queue=queue, app=SimpleNamespace(state_holder=states), temp_file_sets=[{"a.wav"}])


@pytest.fixture
def leftovers(app):
    pages = Listeners()
    pages.came("open")
    return Leftovers(app, Listeners(), pages, Sessions(9000, 9000))


def kept(app) -> set[str]:
    states, queue = app.app.state_holder, app._queue
    held = (states.session_data, states.time_last_used, queue.pending_messages_per_session)
    return set().union(queue.pending_event_ids_session, *held)


def test_the_end_of_an_answer_is_the_end_of_what_was_kept_for_it(app, leftovers):
    for name in ("heard", "running", "open"):
        leftovers.closed(name)
    assert kept(app) == {"running", "open", "unheard"}


def test_what_nobody_listens_to_is_forgotten_at_the_second_look(app, leftovers):
    leftovers.sessions.keep("gone", "clip", Upload("a.wav", torch.zeros(1000), 16000))
    leftovers.look(seconds=0)
    assert kept(app) == {"heard", "running", "open", "unheard"} and len(leftovers.sessions) == 0
    leftovers.look(seconds=0)
    assert kept(app) == {"running", "open"} and app.temp_file_sets == [set()]
