"""``xser evaluate``: scores a trained model on manifests, through the interface that users call."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speechbrain_xser.cli.model_options import load_recognizer, model_options
from speechbrain_xser.cli.paths import NewFile


@click.command("evaluate")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@model_options
@click.option("--data-folder", type=click.Path(), help="What {data_root} in the manifests stands for.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    show_default="32 on a GPU of 40 GB or more, else 8",
    help="Clips at a time; does not change the answers.",
)
@click.option("--answers", type=NewFile(), help="File to write all answers to, for xser score.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate_command(manifests, model, revision, device, data_folder, batch_size, answers, as_json) -> None:
    """Explains every clip of MANIFESTS and scores the answers against the manifests.

    The table has one column per manifest. A clip that cannot be read is skipped and named; if more than one clip in a
    hundred cannot be read, the command stops.

    \b
    Example:
      xser evaluate results/CREMA-D/test.jsonl --data-folder corpora/CREMA-D --model results/CREMA-D/model
    """
    from speechbrain_xser.data.manifest_checks import check_manifests
    from speechbrain_xser.inference.evaluation import answers as rows
    from speechbrain_xser.inference.evaluation import explain_manifest, scores
    from speechbrain_xser.metrics.answers import write_answers
    from speechbrain_xser.metrics.scores import plain_scores
    from speechbrain_xser.metrics.table import table
    from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors

    with one_line_errors(STARTS_ANEW):
        check_manifests(manifests, data_folder, apart=bool(answers))
        recognizer = load_recognizer(model, revision, device)
        found = {
            name: explain_manifest(recognizer, path, data_folder, batch_size)
            for name, path in column_names(manifests).items()
        }
        if answers:
            write_answers(answers, [row for pair in found.values() for row in rows(*pair)])
    columns = {name: scores(*pair) for name, pair in found.items()}
    plain = {name: plain_scores(column) | {"clips": len(found[name][0])} for name, column in columns.items()}
    click.echo(json.dumps(plain, indent=1) if as_json else table(columns))


def column_names(manifests: tuple[str, ...]) -> dict[str, str]:
    """Manifests by file name, or by whole path if two have the same name.

    Example
    -------
    >>> column_names(("a/test.jsonl", "a/valid.jsonl"))
    {'test': 'a/test.jsonl', 'valid': 'a/valid.jsonl'}
    >>> column_names(("a/test.jsonl", "b/test.jsonl"))
    {'a/test.jsonl': 'a/test.jsonl', 'b/test.jsonl': 'b/test.jsonl'}
    """
    stems = [Path(path).stem for path in manifests]
    return dict(zip(stems if len(set(stems)) == len(stems) else manifests, manifests, strict=True))
