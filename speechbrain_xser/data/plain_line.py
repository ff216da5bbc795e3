r"""Most lines of a large manifest, checked and rewritten by one pattern in a third of the time.

A line is plain if it is as :func:`~speechbrain_xser.data.manifest.write_manifest` writes it, with all fields in their
order, and no text begins with a space or has a ``\u`` escape. The pattern is the check: labels are those of their
vocabularies, no number is below zero, and no text can be blank or hold half a character. Any other line is left to
:func:`~speechbrain_xser.data.manifest.parse_line`, which says what is wrong, if anything is.
"""

from __future__ import annotations

import re
from json.decoder import scanstring

from speechbrain_xser.answer.record import EMOTIONS, VOCABULARIES
from speechbrain_xser.data.manifest import NUMBERS, REQUIRED, Utterance
from speechbrain_xser.data.row_text import AFTER, BETWEEN, DURATION, EMPHASIS, START, STOP, WORDS, Row

LABELS = {"emotion": EMOTIONS, **VOCABULARIES}
NAME = r'[^\s"\\\x00-\x1f][^"\\\x00-\x1f]*+'  # without an escape
TEXT = r'(?=[^\s"\\])(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt])*+'
NUMBER = r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,20})?"
WORD = r'"[^"\\\x00-\x1f]*+"'
BETWEEN_WORDS = '", "'


def _value(field: str) -> str:
    """The pattern of a field's value, with a group that is empty for null."""
    if field in REQUIRED:
        return f'"({NAME})"'
    if field in NUMBERS:
        return f"(?:({NUMBER})|null)"
    if field == "emphasis":
        return rf"(?:(\[(?:{WORD}(?:, {WORD})*+)?\])|null)"
    text = "|".join(map(re.escape, LABELS[field])) if field in LABELS else TEXT
    return f'(?:"({text})"|null)'


LINE = re.compile(r"\{" + ", ".join(f'"{field}": {_value(field)}' for field in Utterance._fields) + r"\}\n?")


def plain_row(line: str) -> Row | None:
    r"""The row of a plain line; ``None`` if it is not plain.

    Arguments
    ---------
    line : str
        Of a manifest, decoded from UTF-8, so that it holds no half of a character.

    Returns
    -------
    Row or None
        The same as :func:`~speechbrain_xser.data.manifest.parse_line` and
        :func:`~speechbrain_xser.data.row_text.row_of` give, but for how numbers are written.

    Example
    -------
    >>> import json
    >>> line = json.dumps(Utterance("a", "a.wav", stop=2.50, transcript='"No"', tone="so\n")._asdict())
    >>> plain_row(line) is None  # its transcript begins with an escape
    True
    >>> plain_row(line.replace("No", "").replace(r'\"\"', "No")).seconds
    2.5
    """
    if (found := LINE.fullmatch(line)) is None:
        return None
    fields = list(found.groups(""))
    start, stop, duration = (float(text) if (text := fields[place]) else None for place in (START, STOP, DURATION))
    if stop is not None and stop <= (start or 0.0):
        return None
    if words := fields[EMPHASIS]:
        fields[EMPHASIS] = WORDS + (words[2:-2].replace(BETWEEN_WORDS, AFTER) + AFTER if words != "[]" else "")
    text = BETWEEN.join(fields)
    if "\\" in text:
        text, _ = scanstring(text + '"', 0, False)
    return Row(text, fields[0], fields[1], duration if stop is None else stop - (start or 0.0))
