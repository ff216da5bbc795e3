"""The clips of a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechbrain_xser.batch.batch_clip import BatchClip, brought, faulty, known_of, refuse_foreign
from speechbrain_xser.batch.storage import LARGE, joined_path, local_copy, name_of, parent_of
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.explaining.clips import SourceClip

ROWS = 64  # at a time
KNOWN = {*Utterance._fields, "text"} - {"wav"}
SOUND_COLUMNS = ("audio", "wav", "path", "file", "bytes")


def parquet_clips(path: str, folder: Path) -> Iterator[BatchClip]:
    """The clips of a Parquet file, one a row, of whose columns only those that are needed are read.

    Raises
    ------
    AudioError, BatchError, OSError
        If it cannot be reached, a clip cannot be fetched, or the disk is full.

    Yields
    ------
    BatchClip
        The last one is a fault if the file is cut off or damaged.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    name, number = name_of(path), 0
    local = local_copy(path, folder, "shard.parquet", LARGE)
    try:
        with ParquetFile(local) as file:
            column = next((one for one in SOUND_COLUMNS if one in file.schema_arrow.names), None)
            if column is None:
                found = ", ".join(file.schema_arrow.names)
                raise pyarrow.ArrowInvalid(f"columns {found}; expected one of {', '.join(SOUND_COLUMNS)}")
            wanted = [one for one in file.schema_arrow.names if one in KNOWN or one == column]
            for batch in file.iter_batches(ROWS, columns=wanted):
                for fields in batch.to_pylist():
                    yield _of_row(fields, column, f"{name}#{number}", path, folder)
                    number += 1
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of the file's content
            raise
        told = " ".join(str(error).split())
        yield faulty(name, name, f"{name}: cut off or no Parquet file, after {number} rows ({told}).")


def _of_row(fields: dict[str, Any], column: str, told: str, source: str, folder: Path) -> BatchClip:
    """A row's clip: its sound is bytes, a path, or, as in Hugging Face's data sets, one of both."""
    sound = fields.pop(column)
    content, path = (sound.get("bytes"), sound.get("path")) if isinstance(sound, dict) else (sound, sound)
    id = told.rpartition("/")[2]
    try:
        row, left_out = known_of({**fields, "emphasis": fields.get("emphasis") or None}, id, told)
        if isinstance(content, bytes):
            copy = folder / f"row-{told.rpartition('#')[2]}"
            copy.write_bytes(content)
            return BatchClip(SourceClip(told, os.fspath(copy), start=row.start, stop=row.stop), row, left_out)
        if not isinstance(path, str):
            raise ManifestError(f"{told}: {column} holds no sound. Expected its bytes or its path.")
        place = joined_path(parent_of(source), path)
        refuse_foreign(place, source, told)
    except ManifestError as error:
        return faulty(id, told, str(error))
    found = BatchClip(SourceClip(name_of(place), place, start=row.start, stop=row.stop), row, left_out)
    return brought(int(told.rpartition("#")[2]), found, folder)
