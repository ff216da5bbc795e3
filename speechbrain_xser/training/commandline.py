"""What stands between a user's command line and a run: a wrong key, a taken folder or a full disk is one clear line."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from speechbrain_xser.errors import SettingsError, TrainingError, XserError

logger = get_logger(__name__)

INCLUDE = "!include:"
INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended
LOAD_ERRORS = (YAMLError, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError)


def load_recipe(path: str | Path, overrides: str = "") -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Loads a recipe's YAML with the values of the command line.

    HyperPyYAML refuses an unknown key only at the top; here one inside an included file's mapping is refused too.

    Arguments
    ---------
    path : str or Path
        HyperPyYAML text.
    overrides : str
        One ``key: value`` a line, as ``speechbrain.parse_arguments`` gives it; the last of equal keys counts.

    Returns
    -------
    tuple of (dict, mapping)
        The hyperparameters, and the overrides as read.

    Raises
    ------
    SettingsError
        If a key is unknown (names the nearest one), or the file cannot be loaded.

    Example
    -------
    >>> path = getfixture("tmp_path") / "recipe.yaml"
    >>> _ = path.write_text("seed: 1")
    >>> load_recipe(path, "seed: 2")[0]
    {'seed': 2}
    >>> load_recipe(path, "sead: 2")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: ...recipe.yaml has no key 'sead'; did you mean 'seed'?
    """
    lines = {line.partition(":")[0]: line for line in overrides.splitlines()}
    try:
        given = YAML().load("\n".join(lines.values())) or {}
        _check_keys(Path(path), given)
        with open(path, encoding="utf-8") as file:
            return load_hyperpyyaml(file, given), given
    except XserError:
        raise
    except LOAD_ERRORS as error:
        raise SettingsError(f"{path} cannot be loaded with these values: {' '.join(str(error).split())}") from error


def _check_keys(path: Path, given: Mapping[str, Any]) -> None:
    """Every key is one of the recipe, or of the file that is included under it."""
    recipe = YAML().load(path.read_text(encoding="utf-8"))
    files = {key: YAML().load(file.read_text(encoding="utf-8")) for key, file in _included(recipe, path).items()}
    for key in given:
        if key not in recipe:
            raise SettingsError(f"{path} has no key {key!r}{_hint(key, recipe, files)}")
    for name, file in files.items():
        own = recipe[name] if isinstance(recipe[name], Mapping) else {}
        more = given.get(name, {})
        for key in [*own, *more]:
            if key not in file:
                raise SettingsError(f"{path}: {name} has no key {key!r}{_hint(key, file, {})}")
        hidden = [key for key in more if key in recipe and key not in own]
        if hidden:
            raise SettingsError(f"{path} has {hidden[0]!r} itself, which goes before {name}'s; give --{hidden[0]}")


def _included(recipe: Mapping[str, Any], path: Path) -> dict[str, Path]:
    """The files that are included under top keys."""
    tags = {key: getattr(getattr(node, "tag", None), "value", None) or "" for key, node in recipe.items()}
    folder = path.resolve().parent
    return {key: folder / tag.removeprefix(INCLUDE) for key, tag in tags.items() if tag.startswith(INCLUDE)}


def _hint(key: str, recipe: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> str:
    for name, file in files.items():
        if key in file:
            return f', but {name} has: give --{name}="{{{key}: ...}}"'
    near = get_close_matches(key, [*recipe, *(other for file in files.values() for other in file)], 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(recipe)}"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with one line where the fault is not the program's; the traceback goes into the run's log.

    Example
    -------
    >>> with one_line_errors():
    ...     raise SettingsError("beta is 'a lot'; expected a number.")
    Traceback (most recent call last):
        ...
    SystemExit: error: beta is 'a lot'; expected a number.
    """
    try:
        yield
    except (XserError, OSError) as error:
        logger.debug("The run ended here.", exc_info=True)
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from the last checkpoint.", file=sys.stderr)
        sys.exit(INTERRUPTED)


@contextmanager
def claimed(folder: str | Path) -> Iterator[None]:
    """Keeps an output folder for one run at a time: two would remove each other's checkpoints.

    The claim is a lock of the main process, so that one that was killed leaves nothing behind.

    Arguments
    ---------
    folder : str or Path
        Made if missing.

    Raises
    ------
    TrainingError
        If another run holds the folder.

    Example
    -------
    >>> with claimed(getfixture("tmp_path") / "run"):
    ...     pass
    """
    if not if_main_process():
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / ".lock", "a", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise TrainingError(
                f"Another run is writing to {folder}: wait for its end, or give another --output_folder."
            ) from error
        yield
