"""Who listens: the streams of answers and the open pages, counted while their connections last.

What nobody listens to is not computed, and what was kept for a page is forgotten some time after the page was closed,
also if it never said that it was open.
"""

from __future__ import annotations

import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from speechbrain_xser.errors import AbandonedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWER = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/(?P<key>[^/]+)/?")
QUEUE = re.compile("/gradio_api/queue/data/?")
PAGE = re.compile(r"/gradio_api/heartbeat/(?P<key>[^/]+)/?")
GRACE_SECONDS = 10.0  # between a request, or the end of a stream, and the call for its answer
BROKEN_SECONDS = 2.0  # the same after a connection was broken off
REMEMBERED = 1000  # listeners that left


class Listeners:
    """Open connections by key: the session of a page or a program, or the event of a call.

    Example
    -------
    >>> listeners = Listeners()
    >>> presence = Presence(listeners, "page 1")
    >>> presence.here(), presence.expected()  # it has some seconds to listen
    (False, True)
    >>> listeners.came("page 1"), presence.here(), listeners.left("page 1", patience=0), presence.expected()
    (None, True, None, False)
    """

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self.until: OrderedDict[str, float] = OrderedDict()  # when one that left is no longer expected back

    def came(self, key: str) -> None:
        """A connection was opened."""
        self._open[key] += 1

    def left(self, key: str, patience: float = GRACE_SECONDS) -> None:
        """A connection was closed; another one may follow for some seconds."""
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]
            self.until[key] = time.monotonic() + patience
            self.until.move_to_end(key)
        while len(self.until) > REMEMBERED:
            self.until.popitem(last=False)

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: str) -> bool:
        return key in self._open


class Presence:
    """Who listens to one request, which begins now.

    Arguments
    ---------
    listeners : Listeners, optional
        Without them, somebody always listens.
    keys : str
        By which the request's listeners may be known.
    """

    def __init__(self, listeners: Listeners | None = None, *keys: str) -> None:
        self.listeners, self.keys = listeners, keys
        self._first = time.monotonic() + GRACE_SECONDS
        self._before = self._until()
        self.stopped = False

    def stop(self) -> None:
        """Whoever listens asks for the end of the request."""
        self.stopped = True

    def here(self) -> bool:
        """Whether somebody listens."""
        return self.listeners is None or any(key in self.listeners for key in self.keys)

    def expected(self) -> bool:
        """Whether somebody listens, or had not yet the time to; nobody does once the request was stopped."""
        if self.stopped:
            return False
        left = self._until() - self._before
        return self.here() or time.monotonic() < max(left, default=self._first)

    def check(self) -> None:
        """Raises an ``AbandonedError`` if nobody will listen."""
        if not self.expected():
            raise AbandonedError("Nobody waits for this answer any more.")

    def _until(self) -> set[float]:
        known = {} if self.listeners is None else self.listeners.until
        return {until for until in (known.get(key) for key in self.keys) if until is not None}


class Listening:
    """An ASGI application that counts the listeners of another one, and tells ``closed`` who has left."""

    def __init__(self, app: ASGIApp, answers: Listeners, pages: Listeners, closed: Callable[[str], None]) -> None:
        self.app, self.answers, self.pages, self.closed = app, answers, pages, closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts a connection while it lasts."""
        listeners, key = self._listened(scope)
        if key is None:
            return await self.app(scope, receive, send)
        ended = False

        async def sent(message: Message) -> None:
            nonlocal ended
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        listeners.came(key)
        try:
            await self.app(scope, receive, sent)
        finally:
            listeners.left(key, GRACE_SECONDS if ended else BROKEN_SECONDS)
            self.closed(key)

    def _listened(self, scope: Scope) -> tuple[Listeners, str | None]:
        """The listeners to which a request belongs, and its key."""
        path = scope["path"] if scope["type"] == "http" and scope["method"] == "GET" else ""
        if found := PAGE.fullmatch(path):
            return self.pages, found["key"]
        if found := ANSWER.fullmatch(path):
            return self.answers, found["key"]
        asked = parse_qs(scope["query_string"].decode("latin-1")) if QUEUE.fullmatch(path) else {}
        return self.answers, asked.get("session_hash", [None])[0]
