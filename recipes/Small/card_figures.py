"""Puts the tables of a page of results into a model's card, before its limits.

    python recipes/Small/card_figures.py speechbrain_xser/packaged/xser-small docs/results/small.md
"""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from speechbrain_xser.model_folder.locate import CARD
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.files import written_beside

FIGURES, LIMITS = "## Figures\n", "## Limits\n"
LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False))
@click.argument("page", type=click.Path(exists=True, dir_okay=False))
@one_line_errors()
def main(model: str, page: str) -> None:
    """Writes the tables of PAGE into the card of MODEL, a trained folder."""
    card = Path(model, CARD)
    text = with_figures(card.read_text(encoding="utf-8"), Path(page).read_text(encoding="utf-8"))
    with written_beside(card) as file:
        file.write(text)


def with_figures(card: str, page: str) -> str:
    """A card with the tables of a page; those of an earlier page are replaced.

    Example
    -------
    >>> page = "# Heard\\n\\nSome [words](a.md).\\n\\n| a | b |\\n|---|---|\\n| 1 | [2](c.md) |\\n"
    >>> print(with_figures("# Card\\n\\n## Limits\\n\\nMany.\\n", page))
    # Card
    <BLANKLINE>
    ## Figures
    <BLANKLINE>
    ### Heard
    <BLANKLINE>
    | a | b |
    |---|---|
    | 1 | 2 |
    <BLANKLINE>
    ## Limits
    <BLANKLINE>
    Many.
    <BLANKLINE>
    """
    head, limits, rest = card.partition(LIMITS)
    own, _, _ = head.partition(FIGURES)
    return own + FIGURES + "\n" + "\n\n".join(_tables(page)) + "\n\n" + limits + rest


def _tables(page: str) -> list[str]:
    """The tables of a page, each under its heading, without links."""
    found, heading = [], ""
    for is_table, group in groupby(LINK.sub(r"\1", page).splitlines(), lambda line: line.startswith("|")):
        lines = list(group)
        if is_table:
            found += [part for part in (heading, "\n".join(lines)) if part]
            heading = ""
        elif headings := [line for line in lines if line.startswith("#")]:
            heading = f"### {headings[-1].lstrip('# ')}"
    return found


if __name__ == "__main__":
    main()
