"""The parts of a server put together: the page, the door in front of it, and what forgets its clients."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from speechbrain_xser.web import look, private, uploads
from speechbrain_xser.web.app import build_app
from speechbrain_xser.web.bodies import Bodies
from speechbrain_xser.web.door import Door
from speechbrain_xser.web.downloads import Downloads
from speechbrain_xser.web.leftovers import Leftovers
from speechbrain_xser.web.listeners import Listeners, Listening
from speechbrain_xser.web.login import checked_by
from speechbrain_xser.web.page_events import Page
from speechbrain_xser.web.server_settings import WebSettings

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

CONNECTIONS = 512  # at the same time; a page needs two, and more while it loads
QUEUED = 64  # events that Gradio has not yet started; ours wait in the line
STATES = 100  # sessions of which Gradio keeps a state
ENDING_SECONDS = 25.0  # that running requests have to end in; systems kill after 30 or more
DELIVERY_SECONDS = 3.0  # that their answers have to arrive in


class Assembly:
    """A server that is not yet launched.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Of a model with an LLM.
    settings : WebSettings
        Limits, names and password.
    folder : Path
        For uploads.
    address : str
        For a browser.
    """

    def __init__(
        self, recognizer: ExplainableEmotionRecognizer, settings: WebSettings, folder: Path, address: str
    ) -> None:
        self.settings, self.folder = settings, folder
        self.answers, self.pages = Listeners(), Listeners()
        page = Page(recognizer, settings, self.answers)
        self.line, self.sessions = page.explainer.line, page.sessions
        self.app = build_app(page, address).queue(max_size=QUEUED, api_open=False)
        self.leftovers = Leftovers(self.app, self.answers, self.pages, page.sessions)

    def launch(self, host: str, port: int, open_browser: bool) -> None:
        """Starts to serve, in a thread."""
        uploads.own_uploads()
        login = self.settings.login
        self.app.launch(
            server_name=f"[{host}]" if ":" in host else host,
            server_port=port,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            enable_monitoring=False,
            run_history=False,
            max_file_size=self.settings.max_bytes,
            state_session_capacity=STATES,
            footer_links=[],  # the tab describes the API
            auth=checked_by(login) if login else None,
            theme=look.theme(),
            head=look.HEAD,
            app_kwargs={"middleware": self._middleware()},
        )
        self.app.server.config.limit_concurrency = CONNECTIONS
        self.app.server.config.timeout_graceful_shutdown = DELIVERY_SECONDS

    def _middleware(self) -> list[Middleware]:
        room = uploads.UploadRoom(self.folder, self.settings.max_bytes_of_all)
        door = {"names": self.settings.names, "password": self.settings.login is not None, "scripts": [look.SCRIPT]}
        return [
            Middleware(Door, status=self.status, **door),
            Middleware(Listening, self.answers, self.pages, self.leftovers.closed),
            Middleware(Bodies, self.line, room, self.settings.max_bytes),
            Middleware(Downloads, self.sessions, self.folder / private.UPLOADS),  # behind Bodies, which knows the owner
        ]

    def status(self) -> dict:
        """What ``/health`` says."""
        status = "ending" if self.line.ending else "ok"
        return {"status": status, "requests": self.line.taken, "turns": self.line.turns, "clips": len(self.sessions)}

    def close(self) -> None:
        """Lets running requests end and their answers arrive, and stops to serve."""
        try:
            self.line.end(ENDING_SECONDS)
            until = time.monotonic() + DELIVERY_SECONDS
            while len(self.answers) and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            self.app.close(verbose=False)
