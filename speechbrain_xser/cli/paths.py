"""Kinds of paths on a command line that click does not know."""

from __future__ import annotations

import os
from pathlib import Path

import click


class NewFile(click.Path):
    """A file that is going to be written; that this is possible is seen before any long work.

    Example
    -------
    >>> NewFile().convert("nowhere/answers.jsonl", None, None)
    Traceback (most recent call last):
        ...
    click.exceptions.BadParameter: there is no folder 'nowhere' that could hold 'answers.jsonl'. Make it first.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The path, if its folder is there and can be written to."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = str(path.parent)
        if path.exists() and not path.is_file():  # a file is moved into place, and a device would be gone
            self.fail(f"{str(path)!r} is no ordinary file. Name one that is to be written.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {folder!r} that could hold {path.name!r}. Make it first.", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"the folder {folder!r} cannot be written to. Give another place.", param, ctx)
        return value
