"""Where the recipes are: next to the package in a checkout. An installed package does not include them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from speechbrain_xser.errors import SettingsError

IN_CHECKOUT = Path(__file__).parents[2] / "recipes"
PREPARE = "prepare.py"
TRAIN = Path("hparams", "train.yaml")


def recipe_folder(given: str | Path | None = None) -> Path:
    """The folder of recipes: the given one, or the checkout's; a ``SettingsError`` if it contains no recipe.

    Example
    -------
    >>> recipe_folder("nowhere")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: nowhere: there are no recipes (CORPUS/prepare.py). The installed package \
    does not include them: clone its repository, and pass its folder "recipes" as --recipes.
    """
    folder = Path(given) if given else IN_CHECKOUT
    if not prepare_files(folder):
        raise SettingsError(
            f"{folder}: there are no recipes (CORPUS/{PREPARE}). The installed package does not include them: clone "
            'its repository, and pass its folder "recipes" as --recipes.'
        )
    return folder


def prepare_files(folder: Path) -> list[Path]:
    """The file ``prepare.py`` of every corpus, in the order of their names."""
    return sorted(folder.glob(f"*/{PREPARE}"), key=lambda path: path.parent.name.lower())


def preparations(folder: Path) -> dict[str, str]:
    """The corpora whose preparation is a command, each with a one-line summary.

    Example
    -------
    >>> recipe = getfixture("tmp_path") / "ABC" / "prepare.py"
    >>> recipe.parent.mkdir()
    >>> _ = recipe.write_text('\\"\\"\\"Prepares ABC.\\"\\"\\"\\nprepare_command(prepare)')
    >>> preparations(recipe.parents[1])
    {'ABC': 'Prepares ABC.'}
    """
    texts = {path.parent.name: path.read_text(encoding="utf-8") for path in prepare_files(folder)}
    return {name: _summary(text) for name, text in texts.items() if "prepare_command(" in text}


def recipe_yamls(folder: Path) -> dict[str, Path]:
    """The training recipes, by name of the corpus.

    Example
    -------
    >>> (getfixture("tmp_path") / "ABC" / "hparams").mkdir(parents=True)
    >>> (getfixture("tmp_path") / "ABC" / "hparams" / "train.yaml").touch()
    >>> list(recipe_yamls(getfixture("tmp_path")))
    ['ABC']
    """
    return {path.parents[1].name: path for path in sorted(folder.glob(f"*/{TRAIN}"))}


def use_recipes(folder: Path) -> None:
    """Makes recipes importable, as Python does for a script in their folder."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _summary(text: str) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
