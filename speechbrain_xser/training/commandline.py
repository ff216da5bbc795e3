"""A recipe's YAML with the values of the command line; a wrong key is refused, wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from speechbrain_xser.errors import SettingsError, XserError

INCLUDE = "!include:"
LAYERS = {kind: Path("hparams", kind if kind == "memory" else f"{kind}s") for kind in ("scale", "memory", "system")}
LOAD_ERRORS = (YAMLError, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError)


def load_recipe(path: str | Path, overrides: str = "") -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Loads a recipe's YAML with the values of the command line.

    HyperPyYAML refuses an unknown key only at the top; here one inside an included file's mapping is refused too.
    A recipe's keys ``scale``, ``memory`` and ``system`` name files of ``hparams/scales``, ``hparams/memory`` and
    ``hparams/systems``. Their values go over the recipe's, each kind over those before it, and under those of the
    command line, each to where the recipe or a file that it includes has its key.

    Arguments
    ---------
    path : str or Path
        HyperPyYAML text.
    overrides : str
        One ``key: value`` a line, as ``speechbrain.parse_arguments`` gives it; the last of equal keys counts.

    Returns
    -------
    tuple of (dict, mapping)
        The hyperparameters, and the overrides as read, those of scale, memory and system among them.

    Raises
    ------
    SettingsError
        If a key, a scale, a memory or a system is unknown (names the nearest one), or the file cannot be loaded.

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
    _check_lines(overrides.splitlines())
    lines = {line.partition(":")[0]: line for line in overrides.splitlines()}
    try:
        given = YAML().load("\n".join(lines.values())) or {}
        _check_keys(Path(path), given)
        given = _over_layers(Path(path), given)
        with open(path, encoding="utf-8") as file:
            return load_hyperpyyaml(file, given), given
    except XserError:
        raise
    except LOAD_ERRORS as error:
        raise SettingsError(f"{path} cannot be loaded with these values: {' '.join(str(error).split())}") from error


def _check_lines(lines: Sequence[str]) -> None:
    """Every line is a key and its value."""
    for line in lines:
        key, colon, value = line.partition(":")
        if not colon:
            raise SettingsError(f"{line!r} is no option, expected --key=value.")
        if not value.strip():
            raise SettingsError(f"--{key} has no value, expected --{key}=value, or --{key}=null for none.")


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


def read_layer(kind: str, name: str, folder: Path) -> Mapping[str, Any]:
    """The values of a scale, of a memory preset, or of a system of the paper.

    Arguments
    ---------
    kind : str
        "scale", "memory" or "system".
    name : str
        A file of ``hparams/scales``, ``hparams/memory`` or ``hparams/systems``, without its ending.
    folder : Path
        Where to look for that folder: here or above.

    Returns
    -------
    mapping
        Keys of a recipe or of what it includes.

    Raises
    ------
    SettingsError
        If there is none; names those that there are.

    Example
    -------
    >>> recipe = getfixture("tmp_path")
    >>> (recipe / "hparams" / "systems").mkdir(parents=True)
    >>> _ = (recipe / "hparams" / "systems" / "beta_1e-1.yaml").write_text("beta: 0.1")
    >>> dict(read_layer("system", "beta_1e-1", recipe / "hparams"))
    {'beta': 0.1}
    """
    files = layer_files(kind, folder)
    if name not in files:
        raise SettingsError(f"There is no {kind} {name!r}; there are: {', '.join(files)}.")
    return YAML().load(files[name].read_text(encoding="utf-8")) or {}


def layer_files(kind: str, folder: Path) -> dict[str, Path]:
    """The files that :func:`read_layer` chooses from, by name."""
    places = [parent / LAYERS[kind] for parent in (folder.resolve(), *folder.resolve().parents)]
    return {file.stem: file for place in reversed(places) for file in sorted(place.glob("*.yaml"))}


def _over_layers(path: Path, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The command line's values over those of the system, over those of the scale."""
    recipe = YAML().load(path.read_text(encoding="utf-8"))
    values: dict[str, Any] = {}
    for kind in LAYERS:
        name = given.get(kind, recipe.get(kind))
        if name is not None:
            values = _merged(values, _placed(path, recipe, read_layer(kind, name, path.parent), f"{kind} {name!r}"))
    return _merged(values, given) if values else given


def _placed(path: Path, recipe: Mapping[str, Any], values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Each value where the recipe has its key, else under the file that has it."""
    files = {key: YAML().load(file.read_text(encoding="utf-8")) for key, file in _included(recipe, path).items()}
    placed: dict[str, Any] = {}
    for key, value in values.items():
        places = [name for name, file in files.items() if key in file]
        if key in recipe:
            placed[key] = value
        elif places:
            placed.setdefault(places[0], {})[key] = value
        else:
            raise SettingsError(f"{path} cannot be {what}: neither it nor what it includes has {key!r}")
    return placed


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of values, the second one's where both have one."""
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            both[key] = _merged(below[key], above[key])
    return both


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
