"""``xser train``: trains a recipe, as ``python recipes/train.py`` does."""

from __future__ import annotations

from pathlib import Path

import click

from speechbrain_xser.cli.recipe_folder import recipe_folder, recipe_yamls, use_recipes
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.restart_note import end_if_noted, end_with_launcher


@click.command("train", context_settings={"ignore_unknown_options": True})
@click.argument("recipe")
@click.argument("values", nargs=-1, type=click.UNPROCESSED, metavar="[--KEY=VALUE]...")
@click.option(
    "--recipes",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of recipes.  [default: the checkout's]",
)
@click.option("--ranks", type=int, metavar="N", help="Processes on this machine, one for each GPU.")
@click.option("--nodes", default="1", metavar="M", help="Machines, or the fewest and the most: 1:2.  [default: 1]")
@click.option("--address", metavar="HOST[:PORT]", help="One of several machines, the same on all of them.")
@click.option("--restarts", default=3, metavar="N", help="How often ranks that were killed start again.  [default: 3]")
@click.option("--job", default="xser", metavar="NAME", help="Tells jobs apart that meet at one address.")
def train_command(recipe, values, recipes, ranks, **places) -> None:
    """Trains RECIPE: a YAML file, or the name of a corpus, for recipes/CORPUS/hparams/train.yaml.

    The command prepares the corpus, trains, evaluates the best checkpoint, and writes the trained folder. To continue a
    stopped or killed run, give the same command again. Ctrl-C stops after the current step and saves a checkpoint.

    Every key of the YAML is an option, such as --data_folder=FOLDER or --seed=1, and so are SpeechBrain's run options,
    such as --device=cpu or --precision=bf16.

    With --ranks, several processes train together, through torchrun. --nodes and --address are for several machines:
    give each the same command. Killed ranks start again and go on from the newest checkpoint.

    \b
    Example:
      xser train CREMA-D --data_folder=corpora/CREMA-D --system=fd_ser_sed_asr
      xser train SpeechCraft --data_folder=corpora/SpeechCraft --memory=80gb --ranks 8
      xser train SpeechCraft --data_folder=corpora/SpeechCraft --memory=2x8_80gb --ranks 8 --nodes 2 --address node1
    """
    end_with_launcher()
    end_if_noted()
    with one_line_errors():
        words = [str(recipe_path(recipe, recipes)), *map(option, values)]
        if ranks is None and (places["nodes"] != "1" or places["address"]):
            raise SettingsError("--nodes and --address need --ranks: say how many processes this machine has.")
        if ranks is None:
            from speechbrain_xser.training.command import main  # torch is slow to load

            main(words)
            return
        from speechbrain_xser.training.command import check_words
        from speechbrain_xser.training.launcher import Launch, launch

        check_words(words)
        folder = [] if recipes is None else ["--recipes", recipes]
        launch(Launch(ranks, **places), ["speechbrain_xser.cli", "train", *words, *folder])


def recipe_path(recipe: str, recipes: str | None = None) -> Path:
    """The YAML file of a recipe, by file or corpus; also makes its folder of recipes importable.

    Example
    -------
    >>> recipe_path("crema-d", "recipes").name
    'train.yaml'
    """
    path = Path(recipe)
    if path.is_file():
        parents = path.resolve().parents
        use_recipes(Path(recipes) if recipes else parents[min(2, len(parents) - 1)])  # recipes/CORPUS/hparams/FILE
        return path
    known = recipe_yamls(recipe_folder(recipes))
    named = {name.lower(): file for name, file in known.items()}
    if recipe.lower() not in named:
        raise SettingsError(f"There is no recipe {recipe!r}; expected a YAML file, or one of: {', '.join(known)}.")
    use_recipes(recipe_folder(recipes))
    return named[recipe.lower()]


def option(word: str) -> str:
    """An option as recipes spell it, with underscores.

    Example
    -------
    >>> option("--data-folder=my-corpora")
    '--data_folder=my-corpora'
    """
    name, equals, value = word.partition("=")
    return name[:2] + name[2:].replace("-", "_") + equals + value if name.startswith("--") else word
