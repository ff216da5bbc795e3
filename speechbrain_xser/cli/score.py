"""``xser score``: scores files of answers in a table, with intervals and tests against the first file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechbrain_xser.errors import MetricError
from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors
from speechbrain_xser.utils.plain_table import plain_table

if TYPE_CHECKING:
    from speechbrain_xser.metrics.answers import Comparison

NAMES = {"ua": "UA", "wa": "WA", "wer": "WER"}


@click.command("score")
@click.argument("answers", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def score_command(answers, as_json) -> None:
    """Scores ANSWERS, one or more files test_answers.jsonl; the others are compared with the first.

    All files must answer the same utterances. Intervals are 95 %, by bootstrap over utterances. The p-value is from
    McNemar's test on the emotion against the first file, Holm-corrected for the number of files.

    \b
    Example:
      xser score results/a/test_answers.jsonl results/b/test_answers.jsonl
    """
    from speechbrain_xser.metrics.answers import compare, read_answers  # torch is slow to load

    with one_line_errors(STARTS_ANEW):
        found = compare({name: read_answers(path) for name, path in _named(answers).items()})
    click.echo(json.dumps({n: _plain(c) for n, c in found.items()}, indent=1) if as_json else _text(found))


def _named(paths: tuple[str, ...]) -> dict[str, str]:
    """Files by the name of their folder, or else by their whole path."""
    names = [Path(path).resolve().parent.name for path in paths]
    if len(set(names)) < len(names):
        names = list(paths)
    if len(set(names)) < len(names):
        raise MetricError("The same file is given twice; expected different files.")
    return dict(zip(names, paths, strict=True))


def _text(found: dict[str, Comparison]) -> str:
    from speechbrain_xser.metrics.table import table

    rows = [("95 % interval", *found)]
    for rate, label in NAMES.items():
        cells = [comparison.intervals.get(rate) for comparison in found.values()]
        if any(cells):
            rows.append((label, *(f"{cell.low:.1f} to {cell.high:.1f}" if cell else "-" for cell in cells)))
    told = [comparison.p_value for comparison in found.values()]
    rows.append(("p (emotion, against the first)", *("-" if p is None else f"{p:.3g}" for p in told)))
    return f"{table({name: comparison.scores for name, comparison in found.items()})}\n\n{plain_table(rows)}"


def _plain(comparison: Comparison) -> dict:
    """Numbers for JSON, with null for missing ones."""
    scores = {name: value for name, value in comparison.scores._asdict().items() if name != "attributes"}
    numbers = {**scores, **comparison.scores.attributes}
    return {
        "scores": {name: None if math.isnan(value) else value for name, value in numbers.items()},
        "intervals": {name: [found.low, found.high] for name, found in comparison.intervals.items()},
        "p_value": comparison.p_value,
    }
