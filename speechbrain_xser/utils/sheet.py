"""A table of text that can be written as Markdown, CSV and HTML."""

from __future__ import annotations

import csv
import html
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
    >>> "<td>a &lt; b</td>" in sheet.html()
    True
    """

    name: str  # of its CSV file
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

    def html(self) -> str:
        """A section."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in self.rows
        )
        notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in self.notes)
        return (
            f"<section>\n<h2>{html.escape(self.title)}</h2>\n<div class=wide><table>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}</tbody></table></div>\n{notes}</section>\n"
        )
