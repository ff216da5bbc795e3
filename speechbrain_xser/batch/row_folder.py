"""A folder of Parquet files, one for each input shard: its rows and the mark that it is done are one file.

A file is complete or absent, so every clip is in the folder once, whatever was killed and however often a shard was
begun. pandas, pyarrow, DuckDB and Spark read such a folder as one table. ``_plan.json`` says what it is made from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from speechbrain_xser.batch.storage import (
    PLAN,
    joined_path,
    name_of,
    names_in,
    read_file,
    write_file,
    write_new,
)
from speechbrain_xser.data.addresses import is_address
from speechbrain_xser.errors import BatchError

if TYPE_CHECKING:
    import pyarrow

PART = re.compile(r"part-(\d+)\.parquet")


class RowFolder(NamedTuple):
    """Where rows go: a local folder, or one in the cloud."""

    path: str

    def create(self, plan: Mapping[str, Any]) -> None:
        """Makes the folder, or checks that it is made from the same inputs and settings.

        Raises
        ------
        BatchError
            If it has other rows, or cannot be written.

        Example
        -------
        >>> folder = RowFolder(str(getfixture("tmp_path") / "rows.parquet"))
        >>> folder.create({"model": "tiny"})
        >>> folder.create({"model": "small"})
        Traceback (most recent call last):
        ...
        speechbrain_xser.errors.BatchError: ...: begun with other values of model. Give the same command again, or \
another folder.
        """
        try:
            if not is_address(self.path):
                os.makedirs(self.path, exist_ok=True)
        except OSError as error:
            raise BatchError(f"{self.path}: {error.strerror}. Name a folder that can be written.") from error
        if (found := read_file(self._below(PLAN))) is None:
            if self.done():
                raise BatchError(f"{name_of(self.path)}: has rows, but no {PLAN}. Choose another folder.")
            write_new(self._below(PLAN), json.dumps(plan, indent=1).encode())
            found = read_file(self._below(PLAN)) or b""  # of a run that began at the same time, perhaps
        try:
            before = json.loads(found)
            other = [name for name in {**plan, **before} if before.get(name) != json.loads(json.dumps(plan.get(name)))]
        except (ValueError, TypeError, AttributeError) as error:
            raise BatchError(f"{name_of(self._below(PLAN))}: damaged ({error}). Choose another folder.") from error
        if other:
            raise BatchError(
                f"{name_of(self.path)}: begun with other values of {', '.join(other)}. Give the same command again, or "
                "another folder."
            )

    def done(self) -> set[int]:
        """Numbers of the shards whose rows are there."""
        return {int(found[1]) for name in names_in(self.path) if (found := PART.fullmatch(name))}

    def kept(self, number: int) -> list[dict[str, Any]] | None:
        """The rows of a shard that is done; ``None`` if it is not."""
        from pyarrow import parquet

        content = read_file(self._part(number))
        return None if content is None else parquet.read_table(BytesIO(content)).to_pylist()

    def write(self, number: int, rows: Iterable[Mapping[str, Any]], schema: pyarrow.Schema) -> None:
        """Writes all rows of a shard, which marks it as done.

        Raises
        ------
        BatchError
            If they cannot be written; then there are none.
        """
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.Table.from_pylist(list(rows), schema)
        parquet.write_table(table, content := BytesIO(), compression="zstd")
        write_file(self._part(number), content.getvalue())

    def _part(self, number: int) -> str:
        return self._below(f"part-{number:06d}.parquet")

    def _below(self, name: str) -> str:
        return joined_path(self.path, name)
