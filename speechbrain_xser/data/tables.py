"""Reads tables of clips as people keep them: CSV with any usual separator, TSV, JSON and JSONL, as rows of cells.

The separator is the one most frequent in the header; csv.Sniffer also looks at the texts, and takes characters in them
for separators. A row whose width differs from the header's is refused, because its cells would get wrong names.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.user_file import json_value, opened_text

SEPARATORS = (",", ";", "\t", "|")
TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl")
KEY = "key"  # the column for the names in a JSON object of objects
QUOTED = re.compile(r'"((?:[^"]|"")*)"')
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Row = dict[str, object]  # cell by column: texts from a CSV, any values from JSON


def read_table(path: str | os.PathLike) -> list[Row]:
    """Reads a table, with or without a byte order mark.

    Arguments
    ---------
    path : str or path-like
        ``.jsonl``: one object per line. ``.json``: a list of objects, an object with one such list among its values, or
        an object of objects, whose names become the column ``key``. Anything else: a header and rows separated by
        commas, semicolons, tabs or bars; with tabs, quotation marks inside a cell are part of the text.

    Returns
    -------
    list of dict
        At least one row, each with its cells by column; cells of a CSV are texts without surrounding white space.

    Raises
    ------
    ManifestError
        If the file is missing, not UTF-8 (or UTF-16 with its mark), not JSON, or has no row, a repeated column, or a
        row of another width than the header. It names file and line.

    Example
    -------
    >>> path = getfixture("tmp_path") / "clips.csv"
    >>> _ = path.write_text('path;text\\na.wav;"yes; no"\\n', encoding="utf-8-sig")
    >>> read_table(path)
    [{'path': 'a.wav', 'text': 'yes; no'}]
    """
    text, suffix = _text(path), Path(path).suffix.lower()
    if suffix == ".jsonl":
        lines = enumerate(text.split("\n"), start=1)
        rows = [_object(_json(line, f"{path}, line {n}"), f"{path}, line {n}") for n, line in lines if line.strip()]
    elif suffix == ".json":
        rows = [_object(entry, path) for entry in _entries(_json(text, path), path)]
    else:
        rows = list(_separated(text, path))
    if not rows:
        raise ManifestError(f"{path}: no row; expected a header and at least one clip. Is the table complete?")
    return rows


def _text(path) -> str:
    try:
        with opened_text(path, remedy="Name an existing table.") as file:
            content = file.read()
        return content.decode("utf-16" if content.startswith(UTF16) else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: byte {error.start} is not UTF-8. Save the table as UTF-8.") from error


def _json(text: str, where):
    return json_value(text, where, remedy="Expected objects of a clip's fields.")


def _object(entry, where) -> Row:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where}: {type(entry).__name__}, expected an object with the fields of a clip.")
    return entry


def _entries(content, path) -> list:
    """The clips of a JSON file in any of the three usual forms."""
    if isinstance(content, list):
        return content
    values = list(content.values()) if isinstance(content, dict) else []
    if values and all(isinstance(value, dict) for value in values):
        return [{KEY: name, **fields} for name, fields in content.items()]
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) != 1:
        raise ManifestError(
            f"{path}: {len(lists)} lists of clips, expected a list of objects, one such list in an object, or an "
            "object of objects. Write it as JSONL, one object per line."
        )
    return lists[0]


def _separated(text: str, path) -> Iterator[Row]:
    header = text.lstrip("\n").partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting)
    try:
        columns = _header(lines, path)
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield _row(columns, cells, f"{path}, line {lines.line_num}")
    except csv.Error as error:
        raise ManifestError(f"{path}, line {lines.line_num}: {error}. Is a quotation mark left open?") from error


def _header(lines, path) -> list[str]:
    columns = [cell.strip() for cell in next((cells for cells in lines if any(cells)), [])]
    if twice := sorted(column for column, count in Counter(columns).items() if count > 1):
        raise ManifestError(f"{path}: columns {twice} occur twice. Rename or drop one of each.")
    return columns


def _row(columns: list[str], cells: list[str], where: str) -> Row:
    if len(cells) != len(columns):
        raise ManifestError(
            f"{where}: {len(cells)} cells, expected {len(columns)} ({', '.join(columns)}). Put quotation marks "
            "around cells that contain the separator."
        )
    return dict(zip(columns, map(_unquoted, cells), strict=True))


def _unquoted(cell: str) -> str:
    """The text of a cell without quotation marks around all of it, which remain only in tables with tabs."""
    cell = cell.strip()
    match = QUOTED.fullmatch(cell)
    return match[1].replace('""', '"') if match else cell
