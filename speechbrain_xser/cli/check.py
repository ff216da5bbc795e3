"""``xser check``: checks manifests and clips before a run."""

from __future__ import annotations

import json
import sys

import click

from speechbrain_xser.cli.recipe_folder import prepare_files, recipe_folder
from speechbrain_xser.data.corpus_facts import Figures, read_corpus
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors


@click.command("check")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--data-folder", type=click.Path(), help="What {data_root} in the manifests stands for.")
@click.option("--corpus", help="Compare the counts with the published ones of this corpus, a folder of recipes.")
@click.option(
    "--recipes",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of recipes.  [default: the checkout's]",
)
@click.option("--min-seconds", default=0.3, show_default=True, help="Report shorter clips.")
@click.option("--max-seconds", default=30.0, show_default=True, help="Report longer clips.")
@click.option("--workers", type=click.IntRange(min=1), help="Clips checked at a time.  [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def check_command(manifests, data_folder, corpus, recipes, min_seconds, max_seconds, workers, as_json) -> None:
    """Checks every record and every clip of MANIFESTS before you train on them.

    Several manifests are treated as the splits of one corpus. The exit code is 1 if the corpus is unfit for training.

    \b
    Example:
      xser check results/CREMA-D/{train,valid,test}.jsonl --data-folder corpora/CREMA-D
    """
    with one_line_errors(STARTS_ANEW):
        published = published_figures(corpus, recipes) if corpus else None
        from speechbrain_xser.data.doctor import check  # torch is slow to load

        report = check(manifests, data_folder, published, min_seconds, max_seconds, workers)
    click.echo(json.dumps(report.as_dict(), indent=1, ensure_ascii=False) if as_json else report.text())
    sys.exit(0 if report.healthy else 1)


def published_figures(corpus: str, recipes: str | None = None) -> Figures:
    """The published figures in a corpus's recipe; a ``SettingsError`` names the recipes that have some.

    Example
    -------
    >>> published_figures("emodb", "recipes").clips
    454
    """
    described = [read_corpus(path) for path in prepare_files(recipe_folder(recipes))]
    stated = {found.name.lower(): found.figures for found in described if found.figures}
    if corpus.lower() not in stated:
        names = ", ".join(figures.corpus for figures in stated.values())
        raise SettingsError(f"--corpus {corpus}: no recipe of that name has published counts; available: {names}.")
    return stated[corpus.lower()]
