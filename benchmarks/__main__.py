"""``python -m benchmarks``: on a CPU in at most ten minutes; with ``--paper`` on one GPU, at the paper's size.

Needs torch, transformers, peft and click; SpeechBrain only for the comparison with its searcher.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

if find_spec("speechbrain") is None:
    os.environ.setdefault("XSER_ONLY_MODEL_CODE", "1")

import speechbrain_xser  # noqa: E402, F401, it checks the versions of what is imported next

# isort: split
import torch  # noqa: E402

from benchmarks import decoding, encoding, growth, limits, ranks, real_decoding, training  # noqa: E402
from benchmarks.ceilings import Ceilings, ceilings  # noqa: E402
from benchmarks.material import build  # noqa: E402
from benchmarks.sizes import SIZES, Size  # noqa: E402
from benchmarks.table import Row, machine, markdown, place, write  # noqa: E402
from speechbrain_xser.lobes.encoder import FrozenEncoder  # noqa: E402
from speechbrain_xser.model import ExplainableSER  # noqa: E402


@click.command()
@click.option("--paper", is_flag=True, help="At the paper's size, on a GPU.")
@click.option("--size", type=click.Choice(list(SIZES)), help="By default cpu, or paper with --paper.")
@click.option("--device", help="By default cuda with --paper, else cpu.")
@click.option("--out", default="results/benchmarks", show_default=True, help="Folder for the JSON file.")
@click.option("--page", type=click.Path(exists=True), help="A Markdown page whose table is replaced.")
@click.option("--only", type=click.Choice(["training", "encoding", "decoding"]), multiple=True, help="Parts of it.")
def main(
    paper: bool, size: str | None, device: str | None, out: str, page: str | None, only: tuple[str, ...]
) -> None:
    """Measures speed and memory beside named peers, and prints a table.

    Example: python -m benchmarks --page docs/performance.md
    """
    chosen = SIZES[size or ("paper" if paper else "cpu")]
    device = device or ("cuda" if paper else "cpu")
    if device != "cpu" and not torch.cuda.is_available():
        sys.exit("There is no GPU: leave out --paper, or give --device=cpu with a smaller --size.")
    if page is not None and only:
        sys.exit("--page needs the whole table: leave out --only.")
    if page is not None:
        try:
            place(Path(page), chosen.name)  # before minutes of measuring
        except ValueError as error:
            sys.exit(str(error))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows, facts = run(chosen, Path(folder), device, tuple(dict.fromkeys(only)) or tuple(PARTS))
    facts["minutes"] = round((time.monotonic() - begun) / 60, 1)
    name = "-".join([chosen.name, *dict.fromkeys(only)])
    path = write(rows, facts, Path(out), name, None if page is None else Path(page))
    print("; ".join(f"{key}: {value}" for key, value in facts.items()), markdown(rows), f"In {path}.", sep="\n\n")


def run(size: Size, folder: Path, device: str, parts: Sequence[str]) -> tuple[list[Row], dict[str, object]]:
    """Some parts, or all, at one size."""
    most = ceilings(size, device)
    rows = [row for part in parts for row in PARTS[part](size, folder, device, most)]
    ceiling = f"{most.flops / 1e12:.3g} TFLOP/s in {most.kind} and {most.bandwidth / 1e9:.3g} GB/s, measured"
    return rows, {"machine": machine(device), "ceilings": ceiling}


def training_rows(size: Size, folder: Path, device: str, most: Ceilings) -> list[Row]:
    """A training step, and its share of what the machine can do."""
    model = build(size, folder, device, most.kind)
    rows = noted(training.rows(model, size, device, most))
    ours, _ = training.batches(size, device)
    reached = limits.training_seconds(model, ours, most) / (rows[0].ours / 1000)
    return [*rows, Row("share of the training step's limit", "", reached, None, "x", goal(size, "≥ 0.6"))]


def encoding_rows(size: Size, folder: Path, device: str, most: Ceilings) -> list[Row]:
    """What hears, how works grow, and how ranks share one."""
    model = build(size, folder, device, most.kind)
    rows = noted(encoding.layer_rows(size, device))
    rows += noted(encoding.speech_rows(model, size, device, in_float32(model, folder, device)))
    return rows + noted([*growth.rows(model, size, device, most), *ranks.rows(size)])


def decoding_rows(size: Size, folder: Path, device: str, most: Ceilings) -> list[Row]:
    """Answers, and one utterance's share of what the machine can do."""
    model = build(size, folder, device, *(["float32"] if device == "cpu" else []))  # so that tokens can be compared
    rows = noted(decoding.rows(model, size, device)) + noted(decoding.several(model, size, device))
    rows += noted(decoding.single(model, size, device))
    floor = size.new_tokens[-1] * limits.token_seconds(model, most)
    reached = floor / (rows[-1].ours / 1000)
    rows.append(Row("share of one utterance's limit", "", reached, None, "x", goal(size, "≥ 0.75")))
    rows += noted(decoding.batch_explain(model, size, device))
    return rows + (real_decoding.rows() if size.name == "cpu" else [])


PARTS = {"training": training_rows, "encoding": encoding_rows, "decoding": decoding_rows}


def in_float32(model: ExplainableSER, folder: Path, device: str) -> ExplainableSER:
    """The same model with a float32 encoder of its own."""
    with torch.device(device):
        encoder = FrozenEncoder(str(folder / "encoder"), load_weights=False)
    return ExplainableSER(encoder.to(device), model.branches, model.decoder).eval()


def goal(size: Size, text: str) -> str:
    """A target that is of the paper's size."""
    return text if size.name == "paper" else ""


def noted(rows: list[Row]) -> list[Row]:
    """Shows that something has been measured."""
    print(f"{rows[0].work} ...", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    main()
