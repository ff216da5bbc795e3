"""``xser prepare``: writes the manifests of a corpus, using its recipe's preparation."""

from __future__ import annotations

from importlib import import_module

import click

from speechbrain_xser.cli.recipe_folder import preparations, recipe_folder, use_recipes
from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors


class Corpora(click.Group):
    """One command per corpus, made from its recipe on demand."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The corpora in the folder of recipes."""
        return list(preparations(recipe_folder(context.params.get("recipes"))))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of a corpus, by its name in upper or lower case."""
        folder = recipe_folder(context.params.get("recipes"))
        known = {corpus.lower(): corpus for corpus in preparations(folder)}
        if name.lower() not in known:
            context.fail(f"No recipe prepares {name!r}. Available: {', '.join(known.values())}.")
        from speechbrain_xser.cli.recipe_command import preparation_command  # torch is slow to load

        corpus = known[name.lower()]
        use_recipes(folder)
        return preparation_command(import_module(f"{corpus}.prepare").prepare, corpus)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each corpus, without running any recipe's code."""
        with one_line_errors(STARTS_ANEW), formatter.section("Corpora"):
            formatter.write_dl(list(preparations(recipe_folder(context.params.get("recipes"))).items()))


@click.command("prepare", cls=Corpora, subcommand_metavar="CORPUS [OPTIONS]")
@click.option(
    "--recipes",
    type=click.Path(exists=True, file_okay=False),
    is_eager=True,
    help="Folder of recipes.  [default: the checkout's]",
)
def prepare_command(recipes) -> None:
    """Writes the manifests of a corpus: train, valid and test, or its folds.

    Nothing is downloaded: the README of each recipe says how to get its corpus. Preparing again changes nothing. For
    the options of a corpus, see xser prepare CORPUS --help.

    \b
    Example:
      xser prepare CREMA-D --data-folder corpora/CREMA-D --save-folder results/CREMA-D
    """
