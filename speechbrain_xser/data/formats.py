"""Which files are sound: the suffixes that a folder search accepts, and the first bytes that choose the decoder.

A file's name never decides how it is read, only whether a folder search finds it. torch is not imported here, so that
commands can ask before they load anything.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".webm", ".weba", ".mkv", ".mka", ".avi", ".aac", ".amr"),
    *(".aiff", ".aif", ".aifc", ".caf", ".au", ".snd", ".w64", ".rf64", ".sph", ".voc"),
)
EXPECTED = ", ".join(suffix[1:] for suffix in SUFFIXES[:-1]) + f" or {SUFFIXES[-1][1:]}"
HEAD_BYTES = 64  # enough to recognise any of KINDS


class Kind(NamedTuple):
    """A kind of sound file."""

    suffix: str  # the usual one
    seekable: bool  # whether libsndfile reads it from any position; FFmpeg reads the others from their start


KINDS = tuple(
    (re.compile(beginning, re.DOTALL), Kind(suffix, seekable))
    for beginning, suffix, seekable in (
        (rb"(RIFF|RF64|BW64)....WAVE", ".wav", True),
        (rb"RIFF....AVI ", ".avi", False),
        (rb"fLaC", ".flac", True),
        (rb"OggS", ".ogg", True),
        (rb"FORM....AIF[FC]", ".aiff", True),
        (rb"caff\x00\x01", ".caf", True),
        (rb"\.snd", ".au", True),
        (rb"riff\x2e\x91\xcf\x11", ".w64", True),
        (rb"NIST_1A", ".sph", True),
        (rb"Creative Voice File", ".voc", True),
        (rb"#!AMR", ".amr", False),
        (rb"\x1a\x45\xdf\xa3", ".webm", False),
        (rb"....(ftyp|moov|mdat|wide|free|skip)", ".mp4", False),
        (rb"ID3", ".mp3", False),
        (rb"\xff[\xe2-\xe7\xea-\xef\xf2-\xf7\xfa-\xff]", ".mp3", False),  # the sync word with a layer
        (rb"\xff[\xe0-\xff]", ".aac", False),  # and without one
    )
)


def kind_of(head: bytes) -> Kind | None:
    """The kind of sound file that starts with these bytes; None for any other, in which FFmpeg may still find sound.

    Example
    -------
    >>> kind_of(b"RIFF\\x00\\x00\\x00\\x00WAVEfmt "), kind_of(b"\\xff\\xfb\\x90")
    (Kind(suffix='.wav', seekable=True), Kind(suffix='.mp3', seekable=False))
    >>> kind_of(b"\\xff\\xf1\\x50").suffix, kind_of(b"a.wav\\n")
    ('.aac', None)
    """
    return next((kind for beginning, kind in KINDS if beginning.match(head)), None)


def has_sound_suffix(path: str | os.PathLike) -> bool:
    """Whether a file has the suffix of a sound file.

    Example
    -------
    >>> has_sound_suffix("a.OGA"), has_sound_suffix("a.m3u")
    (True, False)
    """
    return os.fspath(path).lower().endswith(SUFFIXES)
