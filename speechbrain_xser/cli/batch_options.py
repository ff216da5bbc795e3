"""The options of commands that turn any number of clips into a folder of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from speechbrain_xser.utils.devices import workers_here

if TYPE_CHECKING:
    from speechbrain_xser.batch.batch_run import BatchCounts
    from speechbrain_xser.batch.shard_worker import Work

SUFFIX = ".parquet"


class BatchOptions(NamedTuple):
    """How batch work is done."""

    jobs: int | None
    use_ray: bool
    share: tuple[int, int]
    clips_per_shard: int

    @property
    def given(self) -> bool:
        """Whether any of them was, which only makes sense with rows."""
        return self.use_ray or self.share != (1, 1)


class ShareType(click.ParamType):
    """``3/100``: the third of a hundred shares.

    Example
    -------
    >>> ShareType().convert("3/100", None, None)
    (3, 100)
    """

    name = "index/count"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Index and count."""
        if isinstance(value, tuple):
            return value
        index, _, count = str(value).partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            self.fail(f"{value!r} is no share. Expected INDEX/COUNT from 1, as in 3/100.", param, ctx)
        return int(index), int(count)


def batch_options(command: Callable) -> Callable:
    """Adds ``--ray``, ``--shard`` and ``--clips-per-shard``.

    Example
    -------
    >>> @click.command()
    ... @batch_options
    ... def tell(use_ray, share, clips_per_shard):
    ...     print(use_ray, share, clips_per_shard)
    >>> tell(["--shard", "3/100"], standalone_mode=False)
    False (3, 100) 256
    """
    for option in (
        click.option(
            "--clips-per-shard",
            type=click.IntRange(min=1),
            default=256,
            show_default=True,
            help="Rows of files or of a manifest that are done and written at a time; a tar or Parquet file is one.",
        ),
        click.option("--shard", "share", type=ShareType(), default="1/1", help="Do this share only, as in 3/100."),
        click.option("--ray", "use_ray", is_flag=True, help="Work on Ray: a cluster's, or one started here."),
    ):
        command = option(command)
    return command


def checked_out(out: str) -> None:
    """Refuses a folder for rows whose name does not say that."""
    if not out.rstrip("/").endswith(SUFFIX):
        raise click.UsageError(f"--out {out}: rows go into a folder of Parquet files. Give it a name as rows{SUFFIX}.")


def batch(
    sources: tuple[str, ...], out: str, work: Work, options: BatchOptions, data_folder: str | None, gpu: bool
) -> BatchCounts:
    """Does the work with the engine that the options name, and tells of its progress on standard error."""
    from speechbrain_xser.batch.batch_run import Share, run_batch
    from speechbrain_xser.batch.process_pool import work_in_processes
    from speechbrain_xser.batch.ray_pool import work_on_ray

    engine = partial(work_on_ray, gpu=gpu) if options.use_ray else work_in_processes
    absolute = [source if "://" in source else os.path.abspath(source) for source in sources]
    return run_batch(
        absolute,
        out if "://" in out else os.path.abspath(out),
        work,
        engine,
        options.jobs or (0 if options.use_ray else workers_here(gpu)),
        options.clips_per_shard,
        data_folder if data_folder is None or "://" in data_folder else os.path.abspath(data_folder),
        Share(*options.share),
        partial(click.echo, err=True),
    )
