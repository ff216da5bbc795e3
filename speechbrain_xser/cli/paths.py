"""Types of command-line paths that click does not have."""

from __future__ import annotations

import os
from pathlib import Path

import click


class NewFile(click.Path):
    """A file to be written; that this is possible is checked before any long work starts.

    Example
    -------
    >>> NewFile().convert("nowhere/answers.jsonl", None, None)
    Traceback (most recent call last):
        ...
    click.exceptions.BadParameter: the folder 'nowhere' for 'answers.jsonl' does not exist. Create it first.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The path, if its folder exists and is writable."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = str(path.parent)
        if path.exists() and not path.is_file():  # a file is moved into place, and a device would be gone
            self.fail(f"{str(path)!r} is not a regular file. Give the name of a file to write.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"the folder {folder!r} for {path.name!r} does not exist. Create it first.", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"the folder {folder!r} is not writable. Choose another one.", param, ctx)
        return value
