"""A table of text that can be written as Markdown and CSV; ``page/sheet_section.py`` writes it as HTML."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple


class Sheet(NamedTuple):
    """A titled table.

    Example
    -------
    >>> sheet = Sheet("small", "A title", ("row", "UA %"), (("a < b", "1.0"),), ("A note.",))
    >>> print(sheet.markdown())
    ## A title
    <BLANKLINE>
    | row | UA % |
    |---|---|
    | a < b | 1.0 |
    <BLANKLINE>
    A note.
    <BLANKLINE>
    >>> sheet.csv()
    'row,UA %\\na < b,1.0\\n'
    """

    name: str  # of the CSV file
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """A heading, the table and its notes."""
        head, *rows = ["| " + " | ".join(row) + " |" for row in (self.header, *self.rows)]
        table = "\n".join([head, "|" + "---|" * len(self.header), *rows])
        return "\n".join([f"## {self.title}", "", table, "", *[text for note in self.notes for text in (note, "")]])

    def csv(self) -> str:
        """The header and the rows."""
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([self.header, *self.rows])
        return stream.getvalue()
