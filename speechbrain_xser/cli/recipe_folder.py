"""Where the recipes are: beside the package in a checkout; an installed package comes without them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from speechbrain_xser.errors import SettingsError

IN_CHECKOUT = Path(__file__).parents[2] / "recipes"
PREPARE = "prepare.py"
TRAIN = Path("hparams", "train.yaml")


def recipe_folder(given: str | Path | None = None) -> Path:
    """The folder of recipes.

    Arguments
    ---------
    given : str, Path or None
        As the user names it; None for the checkout's own.

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If it holds no recipe.

    Example
    -------
    >>> recipe_folder("nowhere")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: nowhere: no recipes are there (CORPUS/prepare.py). They are not part of the \
installed package: get its repository, and name its folder recipes with --recipes.
    """
    folder = Path(given) if given else IN_CHECKOUT
    if not prepare_files(folder):
        raise SettingsError(
            f"{folder}: no recipes are there (CORPUS/{PREPARE}). They are not part of the installed package: get its "
            "repository, and name its folder recipes with --recipes."
        )
    return folder


def prepare_files(folder: Path) -> list[Path]:
    """The file ``prepare.py`` of every corpus, in the order of their names."""
    return sorted(folder.glob(f"*/{PREPARE}"), key=lambda path: path.parent.name.lower())


def preparations(folder: Path) -> dict[str, str]:
    """The corpora that have a preparation to run by itself, and what each is, in one line.

    Arguments
    ---------
    folder : Path
        Of recipes; none of their code is run.

    Returns
    -------
    dict of str to str

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
    """The recipes that train, by the corpus's name.

    Example
    -------
    >>> (getfixture("tmp_path") / "ABC" / "hparams").mkdir(parents=True)
    >>> (getfixture("tmp_path") / "ABC" / "hparams" / "train.yaml").touch()
    >>> list(recipe_yamls(getfixture("tmp_path")))
    ['ABC']
    """
    return {path.parents[1].name: path for path in sorted(folder.glob(f"*/{TRAIN}"))}


def use_recipes(folder: Path) -> None:
    """Lets recipes be imported, as Python does for a script that lies in their folder."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _summary(text: str) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
