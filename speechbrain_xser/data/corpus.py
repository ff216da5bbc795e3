"""What a corpus's own ``prepare.py`` states of the corpus: its licence, the published figures of its clips, its folds.

They are plain constants at the head of that file (``NAMES``), which are read without running it.
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
    emotions: dict[str, int] = {}  # clips by emotion; empty where none is labelled
    splits: dict[str, int] = {}  # clips by official split


class Corpus(NamedTuple):
    """A corpus as its folder describes it."""

    name: str  # the folder's
    licence: str | None  # the terms of use, in words
    figures: Figures | None
    folds: int  # 1 where there are none


def read_corpus(prepare: str | Path) -> Corpus:
    """Reads the constants of a corpus's preparation.

    Arguments
    ---------
    prepare : str or Path
        The file ``prepare.py`` in the corpus's folder; it need not be there.

    Returns
    -------
    Corpus
        With None for a licence or figures that are not stated.

    Raises
    ------
    SettingsError
        If a constant is no plain value, or the figures have another key.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "ABC"
    >>> folder.mkdir()
    >>> _ = (folder / "prepare.py").write_text('LICENCE = "CC0 1.0"\\nFIGURES = {"clips": 2, "emotions": {"sad": 2}}')
    >>> read_corpus(folder / "prepare.py").licence
    'CC0 1.0'
    >>> read_corpus(folder / "prepare.py").figures
    Figures(corpus='ABC', clips=2, emotions={'sad': 2}, splits={})
    >>> read_corpus(folder / "gone.py").licence is None
    True
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
    """The values of NAMES that the file has."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [getattr(target, "id", None) for target in node.targets] if isinstance(node, ast.Assign) else []
        for name in set(NAMES).intersection(names):
            try:
                found[name] = ast.literal_eval(node.value)
            except ValueError as error:
                raise SettingsError(f"{path}: {name} is computed, expected a plain value") from error
    return found
