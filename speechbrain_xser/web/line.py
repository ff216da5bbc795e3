"""The line in front of the model: a bounded number of requests, one of which has its turn.

A request has a place in the line from beginning to end, and turns while it uses the model: a clip one turn, a long
recording one every few moments. So a clip waits for the clips before it, but never for a recording of hours.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from speechbrain_xser.errors import BusyError
from speechbrain_xser.web.listeners import Presence

LOOK_SECONDS = 0.05  # between two checks whether somebody listens
FIRST_GUESS = 3.0  # seconds of a turn, before one was measured
ENDING = "the server is ending"


class Line:
    """Places for requests, and turns in the order in which they were asked for.

    Arguments
    ---------
    places : int
        Requests that are answered or wait at the same time;
        ``taken`` says how many there are, and ``turns`` how many turns were given.

    Example
    -------
    >>> line = Line(places=1)
    >>> with line.place(), line.turn(Presence()):
    ...     with line.place():
    ...         pass
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BusyError: Busy: 1 request is being answered, and no more can wait. Try again in 6 s.
    """

    def __init__(self, places: int = 16) -> None:
        self.places, self.ending = places, False
        self.taken, self.turns, self._seconds = 0, 0, FIRST_GUESS
        self._tickets: deque[object] = deque()  # the first one has its turn
        self._changed = Condition()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place; a ``BusyError`` if there is none."""
        with self._changed:
            self.check()
            self.taken += 1
        try:
            yield
        finally:
            with self._changed:
                self.taken -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raises a ``BusyError`` if there is no place."""
        if self.ending:
            raise BusyError(ENDING, FIRST_GUESS)
        if self.taken >= self.places:
            told = "1 request is" if self.places == 1 else f"{self.places} requests are"
            wait = self._seconds * (len(self._tickets) + 1)
            raise BusyError(f"{told} being answered, and no more can wait", wait)

    @contextmanager
    def turn(self, presence: Presence) -> Iterator[None]:
        """Waits for the turn and holds it; it begins when somebody listens.

        Raises
        ------
        AbandonedError
            If nobody will.
        BusyError
            If the server ends before it.
        """
        ticket = object()
        try:
            self._wait(ticket, presence)
            begun = time.monotonic()
            yield
            self._seconds += 0.2 * (time.monotonic() - begun - self._seconds)
        finally:
            with self._changed:
                if ticket in self._tickets:
                    self._tickets.remove(ticket)
                self._changed.notify_all()

    def _wait(self, ticket: object, presence: Presence) -> None:
        """Stands in the line while somebody listens, and beside it until then."""
        with self._changed:
            while not (self._tickets and self._tickets[0] is ticket and presence.here()):
                if self.ending:
                    raise BusyError(ENDING, FIRST_GUESS)
                presence.check()
                if presence.here() and ticket not in self._tickets:
                    self._tickets.append(ticket)
                    continue
                if not presence.here() and ticket in self._tickets:
                    self._tickets.remove(ticket)
                    self._changed.notify_all()
                self._changed.wait(LOOK_SECONDS)
            self.turns += 1

    @property
    def in_use(self) -> bool:
        """Whether somebody has a turn."""
        return bool(self._tickets)

    @property
    def length(self) -> int:
        """How many requests stand in it; the first one has its turn."""
        return len(self._tickets)

    def end(self, seconds: float) -> None:
        """Gives no more places and turns, and waits some seconds until those that were given are given back."""
        with self._changed:
            self.ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.taken, seconds)
