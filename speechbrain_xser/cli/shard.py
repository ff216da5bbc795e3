"""``xser shard``: packs manifests and their sound into WebDataset shards."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.commandline import one_line_errors


@click.command("shard")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for the shards and new manifests.")
@click.option("--data-folder", type=click.Path(), help="What {data_root} in the manifests stands for.")
@click.option("--clips-per-shard", type=click.IntRange(min=1), help="Clips per shard.  [default: 1000]")
@click.option(
    "--seconds-per-shard",
    type=click.FloatRange(min=0, min_open=True),
    help="Instead: seconds of sound per shard, so that shards of clips of any length are about the same size.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Shards written at a time.  [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def shard_command(manifests, out, data_folder, clips_per_shard, seconds_per_shard, workers, as_json) -> None:
    """Packs MANIFESTS into WebDataset shards (16 kHz FLAC), for disks that are slow with many small files.

    OUT/NAME.jsonl is the manifest of the packed clips, and OUT is its data folder. To continue a stopped run, give the
    same command again.

    \b
    Example:
      xser shard results/CREMA-D/{train,valid,test}.jsonl --data-folder corpora/CREMA-D --out packed
    """
    from speechbrain_xser.data.packing import CLIPS_PER_SHARD, pack  # torch is slow to load
    from speechbrain_xser.data.preparation import SUMMARY
    from speechbrain_xser.data.summary import summary_text

    with one_line_errors():
        if clips_per_shard and seconds_per_shard:
            raise click.UsageError("Give --clips-per-shard or --seconds-per-shard, not both.")
        named = {Path(path).stem: path for path in manifests}
        if len(named) < len(manifests):
            raise ManifestError(
                "Two manifests have the same name; expected different names. Pack them into two folders."
            )
        paths = pack(named, out, data_folder, clips_per_shard or CLIPS_PER_SHARD, workers, seconds_per_shard)
        summary = json.loads(Path(out, SUMMARY).read_text(encoding="utf-8"))
    told = json.dumps({**summary, "paths": {name: str(path) for name, path in paths.items()}}, indent=1)
    click.echo(told if as_json else "\n".join([summary_text(summary), *paths.values()]))
