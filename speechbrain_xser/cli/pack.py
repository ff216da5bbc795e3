"""``xser pack``: manifests and their sound in WebDataset shards."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speechbrain_xser.commandline import one_line_errors
from speechbrain_xser.data.packing import CLIPS_PER_SHARD, pack
from speechbrain_xser.data.preparation import SUMMARY
from speechbrain_xser.data.summary import summary_text
from speechbrain_xser.errors import ManifestError


@click.command("pack")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder of the shards and new manifests.")
@click.option("--data-folder", type=click.Path(), help="What {data_root} in the manifests stands for.")
@click.option("--clips-per-shard", type=click.IntRange(min=1), default=CLIPS_PER_SHARD, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Shards at a time; one a core by default.")
def pack_command(manifests, out, data_folder, clips_per_shard, workers) -> None:
    """Packs MANIFESTS into WebDataset shards (16 kHz FLAC), for disks that are slow with many small files.

    OUT/NAME.jsonl is the manifest of the packed clips, OUT its data folder. The same command goes on where a stopped
    one was.

    \b
    Example:
      xser pack results/CREMA-D/{train,valid,test}.jsonl --data-folder corpora/CREMA-D --out packed
    """
    with one_line_errors():
        named = {Path(path).stem: path for path in manifests}
        if len(named) < len(manifests):
            raise ManifestError("Two manifests have one name, expected different ones: pack them into two folders.")
        paths = pack(named, out, data_folder, clips_per_shard, workers)
        summary = json.loads(Path(out, SUMMARY).read_text(encoding="utf-8"))
    click.echo("\n".join([summary_text(summary), *paths.values()]))
