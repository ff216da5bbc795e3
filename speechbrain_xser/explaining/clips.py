"""Many clips through a recogniser: clips of similar length together, told in the order in which they were given.

Lengths come from the headers and a waveform is read when its turn comes, so memory does not grow with the number of
clips. Sorting is within a window of clips, so that the first answers do not wait for the last clip; within a window
the work is that of ``explain_by_length``. What cannot be read is told as such and stops no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from speechbrain_xser.data.audio import read_header
from speechbrain_xser.data.remote import fetch
from speechbrain_xser.errors import AudioError, told_as

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation
    from speechbrain_xser.evidence.measurements import Measured
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

WINDOW = 32  # batches


class SourceClip(NamedTuple):
    """A recording that is to be explained."""

    name: str  # as a person knows it
    path: str
    fault: str | None = None  # why it is known beforehand that it cannot be read
    track: int | None = None  # of a film, counted from 1; None for its default one
    address: str | None = None  # from which the file is fetched first
    start: float | None = None  # seconds; None for the file's start
    stop: float | None = None  # seconds; None for the file's end


class Told(NamedTuple):
    """What became of a clip: an explanation and what was measured, or what was wrong with it."""

    clip: SourceClip
    explanation: Explanation | None
    fault: str | None = None
    measured: Measured | None = None  # None where there is no speech; syllables in the sound, without evidence


def explain_clips(
    recognizer: ExplainableEmotionRecognizer,
    clips: Iterable[SourceClip],
    batch_size: int = 8,
    batch_seconds: float | None = None,
) -> Iterator[Told]:
    """Explains clips of any number.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        The model.
    clips : iterable of SourceClip
        Read a window at a time.
    batch_size : int
        Clips that go through the encoder together; it does not change an explanation.
    batch_seconds : float, optional
        Instead, padded seconds of sound that go through it together.

    Yields
    ------
    Told
        One for each clip, in order.

    Example
    -------
    >>> import speechbrain_xser
    >>> from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> folder = getfixture("tmp_path")
    >>> _ = tiny_manifest(folder, clips=1)
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
    >>> clips = [SourceClip("none", "none.wav"), SourceClip("one", str(folder / "train" / "000.wav"))]
    >>> [(told.clip.name, told.explanation is None, told.fault) for told in explain_clips(recognizer, clips)]
    [('none', True, 'none: no such file, expected an audio file. Check the path, ...'), ('one', False, None)]
    """
    clips = iter(clips)
    while window := list(islice(clips, WINDOW * batch_size)):
        yield from _ordered(_window(recognizer, window, batch_size, batch_seconds))


def read_clip(recognizer: ExplainableEmotionRecognizer, clip: SourceClip) -> Tensor:
    """The waveform of a clip, [S], as the model hears it.

    Raises
    ------
    AudioError
        If it cannot be read; names the clip as a person knows it.
    """
    with told_as(clip.name, clip.path):
        return recognizer.load_audio(clip.path, track=clip.track, start=clip.start, stop=clip.stop)


def _ordered(found: Iterable[tuple[int, Told]]) -> Iterator[Told]:
    """Puts what comes in any order into that of its places, as early as may be."""
    waiting, place = {}, 0
    for index, told in found:
        waiting[index] = told
        while place in waiting:
            yield waiting.pop(place)
            place += 1


def _window(
    recognizer, window: Sequence[SourceClip], batch_size: int, batch_seconds: float | None
) -> Iterator[tuple[int, Told]]:
    """Every clip of a window with its place, faults as soon as they are known."""
    from speechbrain_xser.evidence.measurements import measured_clip
    from speechbrain_xser.inference.length_order import explain_by_length  # and all of the model's code

    seconds, measured, faults = {}, {}, []
    for place, clip in enumerate(window):
        try:
            _fetch(clip)
            seconds[place] = _checked_seconds(clip, recognizer.hparams.max_seconds)
        except AudioError as error:
            yield place, Told(clip, None, str(error))

    def read(place: int) -> Tensor | None:
        try:
            wav = read_clip(recognizer, window[place])
            measured[place] = measured_clip(wav, recognizer.mods.model.encoder.sample_rate)
            return wav
        except AudioError as error:
            faults.append((place, Told(window[place], None, str(error))))
            return None

    for place, explanation in explain_by_length(recognizer, seconds, read, batch_size, batch_seconds):
        found = measured.pop(place)
        yield place, Told(window[place], explanation, measured=found if explanation.speech else None)
    yield from faults


def _fetch(clip: SourceClip) -> None:
    if clip.address is not None:
        fetch(clip.address, clip.path)


def forget(clip: SourceClip) -> None:
    """Removes the file of a clip that was fetched, so that the disk holds those of a window only."""
    if clip.address is not None:
        Path(clip.path).unlink(missing_ok=True)


def _checked_seconds(clip: SourceClip, max_seconds: float) -> float:
    if clip.fault is not None:
        raise AudioError(clip.fault)
    with told_as(clip.name, clip.path):
        stop = read_header(clip.path, clip.track, max_seconds).seconds if clip.stop is None else clip.stop
    seconds = stop - (clip.start or 0.0)
    if seconds > max_seconds:
        raise AudioError(
            f"{clip.name}: {seconds:.1f} s long, expected at most {max_seconds:g} s for one paragraph. "
            f"For long recordings, use: xser timeline {clip.name}"
        )
    return seconds
