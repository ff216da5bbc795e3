"""A user's clip: held, checked and read, and its file removed; error messages are written for users of the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from speechbrain_xser.data.audio import seconds_of
from speechbrain_xser.data.sound_address import sound_address
from speechbrain_xser.errors import AudioError, told_as
from speechbrain_xser.web.private import taken

if TYPE_CHECKING:
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer

LONG = "Long recording"  # the page's other tab
GONE = "{name} is no longer here, because uploads are not kept. Please upload it again."


class Upload(NamedTuple):
    """A clip that a user uploaded or recorded."""

    name: str  # of the file, as the user knows it
    wav: Tensor  # [S] float32, at the encoder's rate
    sample_rate: int  # hertz

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.wav) / self.sample_rate

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return self.wav.nbytes

    def source(self) -> str:
        """The clip as a data URL for an ``audio`` element, so that a browser plays it without the server."""
        return sound_address(self.wav, self.sample_rate)


@contextmanager
def held(path: str | Path) -> Iterator[Path]:
    """Holds an uploaded file while its request waits and is answered, and removes it in any case.

    Nothing else removes it meanwhile, however long the line is. An ``AudioError`` tells of a file that is gone.
    """
    upload = Path(path)
    try:
        with taken(upload) as file, told_as(file.name, str(file)):
            yield file
    except FileNotFoundError as error:
        raise AudioError(GONE.format(name=upload.name)) from error


def read_upload(recognizer: ExplainableEmotionRecognizer, file: Path, max_seconds: float) -> Upload:
    """Reads a clip that is held into memory at the encoder's rate.

    To be called in the turn of a :class:`~speechbrain_xser.web.line.Line`, so that one clip is decoded at a time.

    The length is checked by the file's header before decoding. An ``AudioError`` names the file as the user knows it.
    """
    check_length(seconds_of(file, max_seconds), max_seconds, file.name, f"For longer ones, use “{LONG}”.")
    return Upload(file.name, recognizer.load_audio(file), recognizer.mods.model.encoder.sample_rate)


def check_length(seconds: float, max_seconds: float, name: str, advice: str) -> None:
    """Raises an ``AudioError`` with advice if a sound is too long.

    Example
    -------
    >>> check_length(95, 30, "a.wav", "Cut it.")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.AudioError: a.wav is 1:35 min long; at most 30 s can be used here. Cut it.
    """
    if seconds > max_seconds:
        raise AudioError(f"{name} is {said(seconds)} long; at most {said(max_seconds)} can be used here. {advice}")


def said(seconds: float) -> str:
    """A length as people read it.

    Example
    -------
    >>> said(2.34), said(30), said(90), said(7200)
    ('2.3 s', '30 s', '1:30 min', '2:00 h')
    """
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole, unit = (round(seconds), "min") if seconds < 3600 else (round(seconds / 60), "h")
    return f"{whole // 60}:{whole % 60:02} {unit}"
