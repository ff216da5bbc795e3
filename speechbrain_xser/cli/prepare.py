"""``xser prepare``: the manifests of a corpus, by its recipe's own preparation."""

from __future__ import annotations

from importlib import import_module

import click

from speechbrain_xser.cli.recipe_folder import preparations, recipe_folder, use_recipes
from speechbrain_xser.utils.commandline import STARTS_ANEW, one_line_errors


class Corpora(click.Group):
    """One command a corpus, made of its recipe when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The corpora of the folder of recipes."""
        return list(preparations(recipe_folder(context.params.get("recipes"))))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of a corpus, by its name in any case; None where there is no such one."""
        folder = recipe_folder(context.params.get("recipes"))
        known = {corpus.lower(): corpus for corpus in preparations(folder)}
        if name.lower() not in known:
            context.fail(f"No recipe prepares {name!r}. There are: {', '.join(known.values())}.")
        from speechbrain_xser.cli.preparation import preparation_command  # torch is slow to load

        corpus = known[name.lower()]
        use_recipes(folder)
        return preparation_command(import_module(f"{corpus}.prepare").prepare, corpus)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each, without running their code."""
        with one_line_errors(STARTS_ANEW), formatter.section("Corpora"):
            formatter.write_dl(list(preparations(recipe_folder(context.params.get("recipes"))).items()))


@click.command("prepare", cls=Corpora, subcommand_metavar="CORPUS [OPTIONS]")
@click.option(
    "--recipes",
    type=click.Path(exists=True, file_okay=False),
    is_eager=True,
    help="The folder of recipes.  [default: the checkout's]",
)
def prepare_command(recipes) -> None:
    """Writes the manifests of a corpus: train, valid and test, or its folds.

    Nothing is downloaded: get the corpus as the README beside its recipe says. Done again, it changes nothing.
    xser prepare CORPUS --help tells a corpus's options.

    \b
    Example:
      xser prepare CREMA-D --data-folder corpora/CREMA-D --save-folder results/CREMA-D
    """
