"""Cuts speech into moments: at pauses, and never longer than a maximum.

Speech starts at a frame whose probability reaches the threshold, and ends where it has stayed below the threshold minus
0.15 for the length of a pause (the hysteresis of Silero's own tools). Speech that reaches the maximum is cut at the
longest shorter pause inside it, which is dropped; without one, at its quietest tenth of a second. No cut is made in the
first quarter of the maximum, so that no short piece is left before it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from speechbrain_xser.data.speech import FRAME_SAMPLES, FRAME_SECONDS
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import SettingsError

HYSTERESIS = 0.15  # of probability
LEAST_SECONDS = 2.0  # smallest max_seconds
UNCUT = 4  # no cut in the first 1/4 of the longest moment
QUIET_FRAMES = 3  # about a tenth of a second


class Cutting(NamedTuple):
    """Settings that determine the moments of a recording, in seconds.

    Example
    -------
    >>> Cutting(max_seconds=8.0).checked(30.0).max_seconds
    8.0
    >>> Cutting(max_seconds=60.0).checked(30.0)
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.SettingsError: max_seconds is 60, expected 2 to 30 (the model's longest). \
    Choose another value.
    """

    max_seconds: float = 15.0  # the longest moment, including context
    pause_seconds: float = 0.5  # a pause of this length ends a moment; shorter ones are part of it
    min_seconds: float = 0.25  # shorter speech is discarded
    context_seconds: float = 0.2  # kept before and after speech
    threshold: float = 0.5  # probability from which a frame is speech

    def checked(self, model_seconds: float) -> Cutting:
        """Returns itself; a ``SettingsError`` for a wrong value, given the model's longest clip in seconds."""
        if not LEAST_SECONDS <= self.max_seconds <= model_seconds:
            raise _wrong(
                "max_seconds", self.max_seconds, f"{LEAST_SECONDS:g} to {model_seconds:g} (the model's longest)"
            )
        if not 0.1 <= self.pause_seconds <= 10:
            raise _wrong("pause_seconds", self.pause_seconds, "0.1 to 10")
        if not 0 <= self.min_seconds <= self.max_seconds / UNCUT:
            raise _wrong(
                "min_seconds", self.min_seconds, f"0 to {self.max_seconds / UNCUT:g}, a quarter of max_seconds"
            )
        if not 0 <= self.context_seconds <= min(self.pause_seconds, 1) / 2:
            raise _wrong("context_seconds", self.context_seconds, "0 to half of pause_seconds, at most 0.5")
        if not HYSTERESIS < self.threshold < 1:
            raise _wrong("threshold", self.threshold, f"above {HYSTERESIS} and below 1")
        return self


PLAIN_CUTTING = Cutting()


def _wrong(name: str, found: float, expected: str) -> SettingsError:
    return SettingsError(f"{name} is {found:g}, expected {expected}. Choose another value.")


class Span(NamedTuple):
    """The position of a moment in a recording."""

    start: int  # sample at 16 kHz
    stop: int  # the sample after the last


class Frame(NamedTuple):
    """Features of 32 ms."""

    probability: float  # of speech
    level: float  # root mean square, full scale 1


class Cutter:
    """Finds the spans of a stream of frames; it remembers only some seconds.

    Example
    -------
    >>> speech, silence = Frame(0.9, 0.1), Frame(0.1, 0.0)
    >>> cutter = Cutter(Cutting())
    >>> [span for frame in [silence] * 30 + [speech] * 30 + [silence] * 30 for span in cutter.push(frame)]
    [Span(start=12160, stop=33920)]
    """

    def __init__(self, cutting: Cutting):
        self._threshold = cutting.threshold
        self._context = round(cutting.context_seconds * SAMPLE_RATE)
        self._longest = math.floor((cutting.max_seconds - 2 * cutting.context_seconds) / FRAME_SECONDS)
        self._shortest = math.ceil(cutting.min_seconds / FRAME_SECONDS)
        self._pause = math.ceil(cutting.pause_seconds / FRAME_SECONDS)
        self._count = 0  # frames so far
        self._start: int | None = None  # frame where speech started
        self._quiet: int | None = None  # frame where the current pause started
        self._heard: list[Frame] = []  # since the start of speech
        self._stop = 0  # sample after the last span

    @property
    def needed_from(self) -> int:
        """First sample that a later span can contain."""
        first = self._count if self._start is None else self._start
        return max(self._stop, first * FRAME_SAMPLES - self._context)

    def push(self, frame: Frame) -> list[Span]:
        """Takes the next frame and returns the spans that it ends, mostly none."""
        self._count += 1
        return self._step(self._count - 1, frame)

    def flush(self, samples: int) -> list[Span]:
        """Returns the span that the end of the stream, at this sample, ends."""
        if self._start is None:
            return []
        stop = self._count if self._quiet is None else self._quiet
        return [span._replace(stop=min(span.stop, samples)) for span in self._close(stop, self._context)]

    def _step(self, index: int, frame: Frame) -> list[Span]:
        if self._start is None:
            if frame.probability < self._threshold:
                return []
            self._start, self._heard = index, []
        self._heard.append(frame)
        if frame.probability >= self._threshold:
            self._quiet = None
        elif self._quiet is None and frame.probability < self._threshold - HYSTERESIS:
            self._quiet = index
        if self._quiet is not None and index + 1 - self._quiet >= self._pause:
            return self._close(self._quiet, self._context)
        return self._cut() if len(self._heard) >= self._longest else []

    def _close(self, stop: int, context: int) -> list[Span]:
        """Ends the speech before a frame; speech that is too short is discarded."""
        start, self._start, self._quiet, self._heard = self._start, None, None, []
        if stop - start < self._shortest:
            return []
        first = max(self._stop, start * FRAME_SAMPLES - self._context)
        self._stop = stop * FRAME_SAMPLES + context
        return [Span(first, self._stop)]

    def _cut(self) -> list[Span]:
        """Ends speech of maximum length at the best place, and continues with what follows."""
        begin, heard = self._start, self._heard
        first, last = self._inner_pause() or self._quietest()
        spans = self._close(begin + first, min(self._context, (last - first) * FRAME_SAMPLES // 2))
        if first == last:
            self._start = begin + last
        for index, frame in enumerate(heard[last:], start=begin + last):
            spans += self._step(index, frame)
        return spans

    def _inner_pause(self) -> tuple[int, int] | None:
        """The longest pause, among equals the last, as frames since the start of speech."""
        count = len(self._heard)
        allowed = [
            (first, last)
            for first, last in self._pauses()
            if first >= count // UNCUT and (last == count or last <= count - self._shortest)
        ]
        return max(allowed, key=lambda pause: (pause[1] - pause[0], pause[0]), default=None)

    def _pauses(self) -> list[tuple[int, int]]:
        """From where the probability fell to where it reached the threshold again."""
        found, first = [], None
        for index, frame in enumerate(self._heard):
            if first is None and frame.probability < self._threshold - HYSTERESIS:
                first = index
            elif first is not None and frame.probability >= self._threshold:
                found.append((first, index))
                first = None
        return found if first is None else [*found, (first, len(self._heard))]

    def _quietest(self) -> tuple[int, int]:
        """The middle of the three frames with the lowest level, twice."""
        count, levels = len(self._heard), [frame.level for frame in self._heard]
        places = range(count // UNCUT, max(count // UNCUT, count - self._shortest - QUIET_FRAMES) + 1)
        place = min(places, key=lambda index: sum(levels[index : index + QUIET_FRAMES])) + QUIET_FRAMES // 2
        return place, place
