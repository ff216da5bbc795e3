"""``python -m benchmarks.manifest_rows``: what reading a manifest of GigaSpeech-M's size costs a process.

The rows are generated, with all fields. Each way runs in a process of its own, which tells its CPU seconds and the most
memory that it held beyond its imports; pages of the mapped file count, though the system can take them back.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import click

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import filelock  # noqa: F401, what a first use would import
import speechbrain.dataio.dataset  # noqa: F401

from speechbrain_xser.answer.record import EMOTIONS, VOCABULARIES
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.mapped_rows import SUFFIX
from speechbrain_xser.data.pipeline import dataset, items_of

ROWS = 670_070
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
WAYS = {
    "as a list": read_manifest,
    "the first process": lambda manifest: dataset(manifest, "/corpus"),
    "another process": lambda manifest: dataset(manifest, "/corpus"),
    "another process, all rows": lambda manifest: sum(1 for _ in items_of(dataset(manifest, "/corpus"))),
}


@click.command()
@click.option("--rows", default=ROWS, show_default=True)
@click.option("--turns", default=3, show_default=True)
@click.option("--way", type=click.Choice(list(WAYS)), hidden=True, help="In this process.")
@click.option("--manifest", hidden=True)
def main(rows: int, turns: int, way: str | None, manifest: str | None) -> None:
    """Prints CPU seconds and MB of each way, turn by turn."""
    if way is not None:
        click.echo(f"{way}: {cost(way, manifest)}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        write_manifest(path, generated(rows))
        click.echo(f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB")
        for _ in range(turns):
            path.with_name(path.name + SUFFIX).unlink(missing_ok=True)
            for name in WAYS:
                command = [sys.executable, "-m", "benchmarks.manifest_rows", "--way", name, "--manifest", str(path)]
                subprocess.run(command, check=True)


def cost(way: str, manifest: str) -> str:
    """What a way takes in this process, in words."""
    CLEAR.write_text("5")  # the most memory begins anew
    before, begun, used = status("VmRSS"), time.monotonic(), time.process_time()
    WAYS[way](manifest)
    used, seconds = time.process_time() - used, time.monotonic() - begun
    return f"{used:.2f} CPU seconds, {seconds:.2f} s, {(status('VmHWM') - before) / 1000:.0f} MB"


def status(field: str) -> float:
    """A size of this process, in kB."""
    return float(next(line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:")))


def generated(rows: int) -> Iterator[Utterance]:
    """Utterances with all fields, some 950 bytes each."""
    random = Random(0)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randrange(2, 10))) for _ in range(5000)]
    labels = {"emotion": sorted(EMOTIONS), **{field: sorted(known) for field, known in VOCABULARIES.items()}}
    for number in range(rows):
        text = " ".join(random.choices(words, k=20))
        start = round(random.uniform(0, 3000), 2)
        yield Utterance(
            f"POD{number:010d}",
            f"{{data_root}}/podcast/P{number // 1000:04d}/POD{number // 100:08d}.opus",
            start=start,
            stop=round(start + random.uniform(1, 8), 2),
            duration=3.98,
            speaker=f"speaker-{number % 9999}",
            transcript=text,
            **{field: random.choice(known) for field, known in labels.items()},
            emphasis=tuple(random.choices(words, k=2)),
            tone=" ".join(random.choices(words, k=2)),
            topic=" ".join(random.choices(words, k=3)),
            description=" ".join(random.choices(words, k=18)),
            caption=" ".join(random.choices(words, k=22)),
            split="train",
            recognized=text,
        )


if __name__ == "__main__":
    main()
