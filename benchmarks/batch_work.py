"""``python -m benchmarks.batch_work MANIFEST``: batch work beside as many plain ``xser explain``, turn by turn.

Each turn explains the same clips with the packaged model: by plain processes with a part of the list each, by
``--out --jobs``, and by ``--out --ray``. Seconds are those of the whole command, its start included. CPU seconds, of
all processes that a command waited for, say more where other programs use the cores; Ray's are not among them.
With ``--results FILE`` each turn is kept as a line of JSON, and a run that was stopped goes on after the last.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from speechbrain_xser.data.manifest import read_manifest

COMMAND = [sys.executable, "-m", "speechbrain_xser.cli", "explain", "--model", "tiny", "--device", "cpu"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ADDRESS": "local"}


@click.command()
@click.argument("manifest", type=click.Path(exists=True))
@click.option("--jobs", default=2, show_default=True, help="Processes or actors.")
@click.option("--turns", default=3, show_default=True)
@click.option("--ray/--no-ray", "with_ray", default=True, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), help="Where turns are kept.")
def main(manifest: str, jobs: int, turns: int, with_ray: bool, results: Path | None) -> None:
    """Prints seconds of each turn, and the ratio of the medians."""
    ways: dict[str, Callable[[Path], None]] = {
        "plain": lambda folder: plain(manifest, folder, jobs),
        "processes": lambda folder: rows(manifest, folder, jobs),
    }
    if with_ray:
        ways["ray"] = lambda folder: rows(manifest, folder, jobs, "--ray")
    found = kept(results, ways)
    for turn in range(turns):
        for name, way in ways.items():
            if len(found[name]) > turn:
                continue
            with tempfile.TemporaryDirectory() as folder:
                begun, used = time.monotonic(), cpu_seconds()
                way(Path(folder))
                found[name].append(time.monotonic() - begun)
            click.echo(f"{name}: {found[name][-1]:.1f} s, {cpu_seconds() - used:.1f} CPU seconds")
            keep(results, name, found[name][-1])
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in medians.items():
        click.echo(f"{name}: {seconds:.1f} s, {medians['plain'] / seconds:.2f} of {jobs} plain processes' rate")


def kept(results: Path | None, ways: Iterable[str]) -> dict[str, list[float]]:
    """The seconds of earlier turns, by way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    if results is not None and results.exists():
        for name, seconds in map(json.loads, results.read_text().splitlines()):
            found.get(name, []).append(seconds)
    return found


def keep(results: Path | None, name: str, seconds: float) -> None:
    """Adds a turn to the earlier ones."""
    if results is not None:
        with results.open("a") as file:
            file.write(json.dumps([name, seconds]) + "\n")


def cpu_seconds() -> float:
    """Of all ended processes that were started here."""
    used = os.times()
    return used.children_user + used.children_system


def plain(manifest: str, folder: Path, jobs: int) -> None:
    """So many commands at once, each with its part of the paths on standard input."""
    paths = [clip.wav for clip in read_manifest(manifest)]
    running = []
    for number in range(jobs):
        (folder / f"{number}.txt").write_text("\n".join(paths[number::jobs]))
        with open(folder / f"{number}.txt") as given, open(folder / f"{number}.jsonl", "w") as told:
            running.append(subprocess.Popen([*COMMAND, "-"], stdin=given, stdout=told, env=ENVIRONMENT))
    if any(process.wait() for process in running):
        sys.exit("A plain process failed.")


def rows(manifest: str, folder: Path, jobs: int, *options: str) -> None:
    """One command that writes rows."""
    out = ["--out", str(folder / "rows.parquet"), "--jobs", str(jobs), "--clips-per-shard", "64", *options]
    subprocess.run([*COMMAND, manifest, *out], env=ENVIRONMENT, check=True)


if __name__ == "__main__":
    main()
