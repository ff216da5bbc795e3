"""What Gradio and the page keep for each client, forgotten once nobody can ask for it any more.

Gradio keeps the state of ten thousand sessions, the messages of two thousand, and the names of all uploads. A program
is a new session with each call.
"""

from __future__ import annotations

from gradio import Blocks
from gradio.routes import file_upload_statuses

from speechbrain_xser.web.listeners import Listeners
from speechbrain_xser.web.sessions import Sessions


class Leftovers:
    """Forgets what belongs to clients that have gone.

    Arguments
    ---------
    app : Blocks
        Gradio's page.
    answers, pages : Listeners
        Who waits for answers, and which pages are open.
    sessions : Sessions
        The clips of pages.
    """

    def __init__(self, app: Blocks, answers: Listeners, pages: Listeners, sessions: Sessions) -> None:
        self.app, self.answers, self.pages, self.sessions = app, answers, pages, sessions
        self._idle: set[str] = set()  # what had no listener at the last look

    def closed(self, key: str) -> None:
        """A page or the stream of an answer was closed."""
        gone = key not in self.pages and key not in self.answers
        if gone and not self.app._queue.pending_event_ids_session.get(key):
            self._forget(key)

    def look(self, seconds: float) -> None:
        """Forgets what had no listener at this look and the one before, and clips unused for some seconds."""
        self.sessions.forget_unused(seconds, self.pages)
        idle = {key for key in self._keys() if self._is_idle(key)}
        for key in idle & self._idle:
            self._forget(key)
        self._idle = idle
        for names in self.app.temp_file_sets:  # we remove the files ourselves
            names.clear()
        file_upload_statuses._signals.clear()  # nobody asks for the progress of an upload for longer than some seconds

    def _keys(self) -> set[str]:
        queue, states = self.app._queue, self.app.app.state_holder
        return {*queue.pending_event_ids_session, *queue.pending_messages_per_session, *states.session_data}

    def _is_idle(self, key: str) -> bool:
        queue = self.app._queue
        running = queue.pending_event_ids_session.get(key, set()) & set(queue.event_ids_to_events)
        return not running and key not in self.answers and key not in self.pages

    def _forget(self, key: str) -> None:
        queue, states = self.app._queue, self.app.app.state_holder
        for kept in (
            queue.pending_messages_per_session,
            queue.pending_event_ids_session,
            states.session_data,
            states.time_last_used,
        ):
            kept.pop(key, None)
