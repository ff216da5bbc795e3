"""A recording's moments, in order, as they are found.

Moments are explained in groups of a fixed number of batches. Within a group they are batched by length; a group is
explained as a whole or taken from the journal as a whole, so that a run that was killed and goes on computes what an
uninterrupted one computes, to the last bit. Another batch size gives the same but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.data.speech import FRAME_SAMPLES, SpeechDetector
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.inference.length_order import explain_by_length
from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
from speechbrain_xser.timeline.cutting import PLAIN_CUTTING, Cutter, Cutting, Frame, Span
from speechbrain_xser.timeline.heap import return_freed_memory
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.timeline.sample_buffer import SampleBuffer
from speechbrain_xser.timeline.store import KeptMoments
from speechbrain_xser.utils.stopping import may_stop

BATCHES = 4  # that are explained together


class Detector(Protocol):
    """Whatever tells how likely speech is: a method as :meth:`SpeechDetector.probabilities`."""

    def probabilities(self, frames: Tensor) -> Tensor:
        """Probabilities of speech, [T], of frames [T, 512] that follow one another."""


class Speech(NamedTuple):
    """A span with its samples."""

    span: Span
    samples: Tensor  # [S], float32, 16 kHz


def read_timeline(
    recognizer: ExplainableEmotionRecognizer,
    path: str | os.PathLike | Recording,
    cutting: Cutting = PLAIN_CUTTING,
    batch_size: int = 8,
    kept: KeptMoments | None = None,
    progress: Callable[[float], None] | None = None,
    detector: Detector | None = None,
    listener: Callable[[Tensor], object] | None = None,
) -> Iterator[Moment]:
    """Explains each stretch of speech of a recording of any length, in flat memory.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Whose ``max_seconds`` bounds a moment.
    path : str, path-like or Recording
        Anything that ``load_audio`` reads.
    cutting : Cutting
        Where moments begin and end.
    batch_size : int
        Moments at a time; memory grows with it, and speed.
    kept : KeptMoments or None
        Moments of an earlier run, which are not explained again; new ones are added.
    progress : Callable or None
        Told the seconds of the recording that were read, each time that some were.
    detector : Detector or None
        Silero VAD by default.
    listener : Callable or None
        Given the samples of each moment, [S] at 16 kHz, in order; ``Voices.hear``, for example.

    Yields
    ------
    Moment
        In the order of time.

    Raises
    ------
    AudioError
        At once if the recording cannot be read at all; if it is damaged or its end is missing, after the moments
        that are there.
    SettingsError
        If the settings cannot be.

    Example
    -------
    >>> import soundfile, speechbrain_xser
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
    >>> path = getfixture("tmp_path") / "silence.wav"
    >>> soundfile.write(path, torch.zeros(32000).numpy(), 16000)
    >>> list(read_timeline(recognizer, path))
    []
    """
    cutting = cutting.checked(recognizer.hparams.max_seconds)
    recording = path if isinstance(path, Recording) else Recording(path)
    found = find_speech(recording, cutting, detector or SpeechDetector(), progress)
    while group := list(islice(found, batch_size * BATCHES)):
        moments = _moments(recognizer, group, batch_size, kept)
        for speech in group if listener is not None else ():
            listener(speech.samples)
        yield from moments
        return_freed_memory()
    if recording.fault is not None:
        raise recording.fault


def find_speech(
    recording: Recording,
    cutting: Cutting,
    detector: Detector,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Speech]:
    """Finds the stretches of speech of a recording.

    Arguments
    ---------
    recording : Recording
        At 16 kHz; its ``fault`` tells afterwards whether all of it was there.
    cutting, detector, progress
        As for :func:`read_timeline`.

    Yields
    ------
    Speech
        In the order of time; they do not overlap.
    """
    cutter, buffer, done = Cutter(cutting), SampleBuffer(), 0
    for block in recording.blocks():
        may_stop()
        buffer.append(block)
        whole = buffer.stop - (buffer.stop - done) % FRAME_SAMPLES
        yield from _spoken(buffer, cutter, _pushed(cutter, detector, buffer.cut(done, whole)))
        done = whole
        buffer.forget(min(done, cutter.needed_from))
        if progress is not None:
            progress(buffer.stop / SAMPLE_RATE)
    rest = buffer.cut(done, buffer.stop)
    padded = torch.nn.functional.pad(rest, (0, -len(rest) % FRAME_SAMPLES))
    spans = [*_pushed(cutter, detector, padded), *cutter.flush(buffer.stop)]
    yield from _spoken(buffer, cutter, [span._replace(stop=min(span.stop, buffer.stop)) for span in spans])


def _pushed(cutter: Cutter, detector: Detector, samples: Tensor) -> list[Span]:
    """The spans that whole frames of samples end."""
    frames = samples.reshape(-1, FRAME_SAMPLES)
    probabilities, levels = detector.probabilities(frames), frames.square().mean(dim=1).sqrt()
    pairs = zip(probabilities.tolist(), levels.tolist(), strict=True)
    return [span for probability, level in pairs for span in cutter.push(Frame(probability, level))]


def _spoken(buffer: SampleBuffer, cutter: Cutter, spans: Iterable[Span]) -> Iterator[Speech]:
    for span in spans:
        yield Speech(span, buffer.cut(*span))


def _moments(
    recognizer: ExplainableEmotionRecognizer, group: list[Speech], batch_size: int, kept: KeptMoments | None
) -> list[Moment]:
    """Moments of a group, from the journal if it has all of them."""
    spans = [speech.span for speech in group]
    if kept is not None and all(span in kept for span in spans):
        return kept.take(spans)
    found = explain_speech(recognizer, [speech.samples for speech in group], batch_size)
    moments = [Moment(*_seconds(span), explanation) for span, explanation in zip(spans, found, strict=True)]
    if kept is None:
        return moments
    kept.add(dict(zip(spans, moments, strict=True)))
    return kept.take(spans)


def explain_speech(recognizer: ExplainableEmotionRecognizer, waves: list[Tensor], batch_size: int) -> list[Explanation]:
    """Explains stretches of speech, those of like length together.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        Explains them.
    waves : list of Tensor
        Samples at 16 kHz, [S] each.
    batch_size : int
        Waves at a time.

    Returns
    -------
    list of Explanation
        In the order of the waves.
    """
    lengths = dict(enumerate(map(len, waves)))
    options = {"joined": BATCHES, "speech_check": False}  # they were cut out of speech
    found = dict(explain_by_length(recognizer, lengths, waves.__getitem__, batch_size, **options))
    return [found[place] for place in lengths]


def _seconds(span: Span) -> tuple[float, float]:
    return span.start / SAMPLE_RATE, span.stop / SAMPLE_RATE
