"""Opens a user's clips in whatever form they are kept: a table, a Hugging Face data set, or folders alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.columns import choose_columns, used_columns
from speechbrain_xser.data.hub_datasets import SAVED, STORED, dataset_columns, dataset_rows, open_datasets
from speechbrain_xser.data.tables import TABLE_SUFFIXES, Row, read_table
from speechbrain_xser.errors import ManifestError

SIDES = ("speaker", "split")  # the fields that decide which manifest a clip goes into


class Collection(NamedTuple):
    """Clips as rows, before their cells are interpreted."""

    columns: dict[str, str]  # source by field
    cells: list[Row]  # every row; for a data set, only the cells of SIDES
    rows: Callable[[Path], Iterable[Row]]  # every row, with sound as paths; a data set's sound is written to the folder
    files: list[Path]  # the files that it is read from
    folder: Path | None = None  # of the table; paths may be relative to it


def open_collection(
    data_folder: str | os.PathLike, table: str | None = None, columns: dict[str, str] | None = None
) -> Collection:
    """Opens the named table, or else a saved data set, the only table, or the folders.

    Arguments
    ---------
    data_folder : str or path-like
        Folder of the clips or the data set.
    table : str or None
        A table, parquet or arrow file, relative to the data folder or absolute; None to look for one.
    columns : dict of str to str or None
        Column by field, for columns without a usual name.

    Returns
    -------
    Collection

    Raises
    ------
    ManifestError
        If the folder is missing, there are several tables, or nothing can be read.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "clips.tsv").write_text("path\\tsentence\\na.wav\\thello\\n")
    >>> open_collection(folder).cells
    [{'path': 'a.wav', 'sentence': 'hello'}]
    """
    folder = Path(data_folder)
    if not folder.is_dir():
        raise ManifestError(f"No folder {folder}: pass the folder that contains the clips as data_folder.")
    if table is not None:
        path = folder / table
        return _hub(path, columns) if path.suffix.lower() in STORED else _table(path, columns)
    if any((folder / name).exists() for name in SAVED):
        return _hub(folder, columns)
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    if len(tables) > 1:
        raise ManifestError(f"Tables {', '.join(path.name for path in tables)} in {folder}: name one of them as table.")
    if tables:
        return _table(tables[0], columns)
    return _hub(folder, columns) if next(_stored(folder), None) else _folders(folder, columns)


def _table(path: Path, columns: dict[str, str] | None) -> Collection:
    rows = read_table(path)
    found = dict.fromkeys(column for row in rows for column in row)
    try:
        chosen = choose_columns(found, columns)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    return Collection(chosen, rows, lambda _: rows, [path], path.parent)


def _hub(path: Path, columns: dict[str, str] | None) -> Collection:
    """A data set; the names of its splits, if it has any, become a column."""
    opened = open_datasets(path)
    chosen = dataset_columns(next(iter(opened.values())), columns)
    chosen |= {"split": "split"} if "" not in opened and "split" not in (columns or {}) else {}
    sides = {column for field in SIDES if field in chosen for column in used_columns(chosen[field])}

    def rows(audio_folder: Path, columns: set[str] | None = None) -> Iterator[Row]:
        for split, dataset in opened.items():
            few = dataset if columns is None else dataset.select_columns(sorted(columns & set(dataset.features)))
            yield from (row | ({"split": split} if split else {}) for row in dataset_rows(few, audio_folder / split))

    cells = list(rows(Path(), sides)) if sides - {"split"} or "" in opened else [{"split": split} for split in opened]
    return Collection(chosen, cells, rows, [path] if path.is_file() else list(_stored(path)))


def _stored(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in STORED)


def _folders(folder: Path, columns: dict[str, str] | None) -> Collection:
    """Clips with their folders' names as columns; the user says if one of these is a label."""
    rows: list[Row] = [
        {"path": path.relative_to(folder).as_posix(), "name": path.stem, "folder": path.parent.name, "above": above}
        for path in find_audio_below(folder)
        for above in [path.parent.parent.name]
    ]
    return Collection(choose_columns(rows[0], columns), rows, lambda _: rows, [])
