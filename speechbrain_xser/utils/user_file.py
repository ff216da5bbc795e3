"""Reads the texts that a person hands in: UTF-8, bounded, and every fault of them is one typed error.

Python's JSON reader has more errors than its own: for deep nesting, for numbers of thousands of digits, for bytes that
are no text. And what it accepts can be a fault later: an integer beyond 64 bits is no float, and a list of a thousand
levels cannot be printed.
"""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

from speechbrain_xser.errors import ManifestError, XserError

MAX_LINE_BYTES = 1 << 24
MAX_DEPTH = 64  # lists and objects inside one another
MAX_INTEGER = 1 << 63
MARKS = (BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)


@contextmanager
def opened_text(
    path: str | os.PathLike, kind: type[XserError] = ManifestError, remedy: str = "Check the path."
) -> Iterator[BufferedReader]:
    """Opens a person's file for reading bytes.

    Arguments
    ---------
    path : str or path-like
        The file.
    kind : type of XserError
        The error for a file that cannot be read.
    remedy : str
        What to do about it.

    Yields
    ------
    binary file
        At its start.

    Raises
    ------
    XserError
        Of this kind, if the file cannot be opened or read.

    Example
    -------
    >>> with opened_text("a\\0b.jsonl"):
    ...     pass
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: a\\x00b.jsonl: embedded null byte. Check the path.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed below; this except is only for opening it)
    except (OSError, ValueError) as error:  # a name with NUL in it, or with half a surrogate pair
        raise kind(f"{printable(path)}: {getattr(error, 'strerror', None) or error}. {remedy}") from error
    with file:
        try:
            yield file
        except OSError as error:
            raise kind(f"{printable(path)}: {error.strerror or error}. {remedy}") from error


def text_lines(
    path: str | os.PathLike,
    kind: type[XserError] = ManifestError,
    remedy: str = "Check the path.",
    marked: bool = False,
) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file that are not blank, with their numbers.

    Arguments
    ---------
    path : str or path-like
        UTF-8.
    kind, remedy
        As for :func:`opened_text`.
    marked : bool
        Whether it may start with a byte order mark, which is left out.

    Yields
    ------
    tuple of int and str
        Number from 1, and text.

    Raises
    ------
    XserError
        Of this kind: if the file cannot be read, is not UTF-8, has a mark, or a line of more than 16 MiB. It names the
        byte or the line.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_bytes(b"one\\n\\n\\xff")
    >>> list(text_lines(path))
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: ...a.txt: byte 5 is not UTF-8. Save it as UTF-8.
    """
    with opened_text(path, kind, remedy) as file:
        begin = _begin(file, path, kind, marked)
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
            if len(line) > MAX_LINE_BYTES:
                raise kind(f"{printable(path)}, line {number}: more than {MAX_LINE_BYTES} bytes. Is it another file?")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                place = begin + error.start
                raise kind(f"{printable(path)}: byte {place} is not UTF-8. Save it as UTF-8.") from error
            begin += len(line)
            if text.strip():
                yield number, text


def _begin(file: BufferedReader, path: str | os.PathLike, kind: type[XserError], marked: bool) -> int:
    """The place where the text begins."""
    mark = next((mark for mark in MARKS if file.peek(len(mark)).startswith(mark)), b"")  # a pipe cannot be sought in
    if mark and not (marked and mark == BOM_UTF8):
        raise kind(f"{printable(path)}: starts with a byte order mark; expected plain UTF-8. Save it without one.")
    return len(file.read(len(mark)))


def json_value(text: str, where: str, kind: type[XserError] = ManifestError, remedy: str = "Write it again.") -> Any:
    """The value of a JSON text.

    Arguments
    ---------
    text : str
        One value. NaN and Infinity are read, since Python writes them.
    where : str
        The place, for the message.
    kind : type of XserError
        The error for a text that is wrong.
    remedy : str
        What to do about it.

    Returns
    -------
    Any
        At most 64 levels deep, with integers of at most 64 bits.

    Raises
    ------
    XserError
        Of this kind, if it is none.

    Example
    -------
    >>> json_value('{"a": 1e400}', "a.json")
    {'a': inf}
    >>> json_value("1" * 30, "a.json, line 3", remedy="Drop it.")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: a.json, line 3: not JSON (an integer of 30 digits). Drop it.
    """
    try:
        value = _DECODER.decode(text)
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(value)
    except RecursionError as error:
        raise kind(f"{where}: not JSON (more than {MAX_DEPTH} levels). {remedy}") from error
    except ValueError as error:
        raise kind(f"{where}: not JSON ({error}). {remedy}") from error
    return value


def _integer(digits: str) -> int:
    found = int(digits) if len(digits) <= len(str(MAX_INTEGER)) + 1 else MAX_INTEGER
    if not -MAX_INTEGER <= found < MAX_INTEGER:
        raise ValueError(f"an integer of {len(digits.lstrip('-'))} digits")
    return found


_DECODER = json.JSONDecoder(parse_int=_integer)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        held = (child for child in level if isinstance(child, dict | list))
        level = [child for one in held for child in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise RecursionError


def printable(path: str | os.PathLike) -> str:
    """A path as one line can show it: control characters and bytes that are no text are escapes.

    Example
    -------
    >>> printable("a\\nb.csv"), printable("naïve.csv")
    ('a\\\\nb.csv', 'naïve.csv')
    """
    signs = os.fsdecode(path)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in signs)
