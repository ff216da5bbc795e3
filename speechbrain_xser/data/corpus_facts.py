"""Reads what a corpus's ``prepare.py`` states about it: its licence, the published counts of its clips, its folds.

They are plain constants at the top of that file (``NAMES``), read without running it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.errors import SettingsError

NAMES = ("LICENCE", "FIGURES", "FOLDS")


class Figures(NamedTuple):
    """Published counts of a whole corpus."""

    corpus: str
    clips: int
    emotions: dict[str, int] = {}  # clips by emotion; empty for an unlabelled corpus
    splits: dict[str, int] = {}  # clips by official split


class Corpus(NamedTuple):
    """A corpus as its folder describes it."""

    name: str  # of the folder
    licence: str | None  # the terms of use, in words
    figures: Figures | None
    folds: int  # 1 if there are none


def read_corpus(prepare: str | Path) -> Corpus:
    """Reads the constants of a corpus's ``prepare.py``, which need not exist; what it does not state is None.

    Raises
    ------
    SettingsError
        If a constant is not a plain value, or the figures have an unknown key.
    """
    path = Path(prepare)
    name = path.resolve().parent.name
    found = _constants(path) if path.is_file() else {}
    try:
        figures = Figures(name, **found["FIGURES"]) if "FIGURES" in found else None
    except TypeError as error:
        raise SettingsError(f"{path}: FIGURES has clips, emotions and splits, found {found['FIGURES']}") from error
    return Corpus(name, found.get("LICENCE"), figures, found.get("FOLDS", 1))


def _constants(path: Path) -> dict:
    """The values of those ``NAMES`` that the file defines."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [getattr(target, "id", None) for target in node.targets] if isinstance(node, ast.Assign) else []
        for name in set(NAMES).intersection(names):
            try:
                found[name] = ast.literal_eval(node.value)
            except ValueError as error:
                raise SettingsError(f"{path}: {name} is computed, expected a plain value") from error
    return found
