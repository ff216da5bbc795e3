"""A recipe's YAML with the values of the command line; a wrong key is refused at any depth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from speechbrain_xser.errors import SettingsError, XserError
from speechbrain_xser.training.toolkit_keys import toolkit_hint
from speechbrain_xser.utils.commandline import EXTRAS
from speechbrain_xser.versions import install_hint

Tree = Mapping[str, Any]  # values by key, as YAML has them

INCLUDE = "!include:"
LAYERS = {kind: Path("hparams", kind if kind == "memory" else f"{kind}s") for kind in ("scale", "memory", "system")}
ONE_REFERENCE = re.compile(r"<[^<>]*>")
NULLS = ("null", "Null", "NULL", "~")  # of YAML
LOAD_ERRORS = (YAMLError, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError)


def load_recipe(path: str | Path, overrides: str | Mapping[str, str] = "") -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Loads a recipe's YAML with the values of the command line.

    A key of the command line is the recipe's own, or one of a file that the recipe includes. HyperPyYAML refuses an
    unknown key only at the top; here one inside an included file's mapping is refused too.
    A recipe's keys ``scale``, ``memory`` and ``system`` name files of ``hparams/scales``, ``hparams/memory`` and
    ``hparams/systems``. Their values override the recipe's, each kind overrides those before it, and the command line
    overrides them all. A value goes to where the recipe, or a file that it includes, has its key.

    Arguments
    ---------
    path : str or Path
        HyperPyYAML text.
    overrides : str or mapping of str to str
        Text by key, or one ``key: value`` a line; the last of equal keys counts. A value is read as YAML. If the recipe
        has text in its place, or YAML would cut or refuse it, the whole text is the value.

    Returns
    -------
    tuple of (dict, mapping)
        The hyperparameters, and the overrides as read, including those of scale, memory and system.

    Raises
    ------
    SettingsError
        If a key, a scale, a memory or a system is unknown (names the nearest one, or what goes by another name in
        SpeechBrain's recipes), or the file cannot be loaded.

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
    texts = overrides if isinstance(overrides, Mapping) else _by_key(overrides.splitlines())
    _check_filled(texts)
    try:
        recipe = YAML().load(Path(path).read_text(encoding="utf-8"))
        files = _included(recipe, Path(path))
        own = {key: value for file in files.values() for key, value in file.items()} | recipe
        given = _placed(recipe, files, {key: read_value(text, own.get(key)) for key, text in texts.items()})
        _check_keys(Path(path), recipe, files, given)
        given = _over_layers(Path(path), recipe, files, given)
        with open(path, encoding="utf-8") as file:
            return load_hyperpyyaml(file, given), given
    except XserError:
        raise
    except LOAD_ERRORS as error:
        told = " ".join(str(error).split())
        raise SettingsError(f"{path} cannot be loaded with these values: {told}{_remedy(error)}") from error


def read_value(text: str, own: object = None) -> Any:
    """A value of the command line.

    Arguments
    ---------
    text : str
        As it was given.
    own : object
        What the recipe has in its place.

    Returns
    -------
    object
        Numbers, switches, null, lists in brackets, mappings in braces, and values with a tag or in quotation marks are
        read as YAML; anything else is the whole text. Where the recipe has text, only null and values with a tag or in
        quotation marks are read as YAML.

    Raises
    ------
    YAMLError
        If brackets, braces or quotation marks are not closed.

    Example
    -------
    >>> read_value("2e-4", 0.1), read_value("[1, 2]", []), read_value("b=1 #2: c"), read_value("2024", "results")
    (0.0002, [1, 2], 'b=1 #2: c', '2024')
    """
    marked = text.lstrip()[:1] in ("!", '"', "'")
    if _is_text(own) and not marked:
        return None if text.strip() in NULLS else text
    if not marked and text.lstrip()[:1] not in ("[", "{"):
        return _scalar(text)
    return YAML().load(text)


def _is_text(own: object) -> bool:
    """Whether a recipe's value is text; a bare reference may be to a number."""
    composed = _tag(own) == "!ref" and not ONE_REFERENCE.fullmatch(own.value)
    return isinstance(own, str) or _tag(own) == "!PLACEHOLDER" or composed


def _scalar(text: str) -> Any:
    """A number, a switch or null; the text itself if YAML would read anything else, or cut it."""
    try:
        value = YAML().load(text)
    except YAMLError:
        return text
    return value if "#" not in text and isinstance(value, int | float | None) else text


def _is_reference(value: object, name: str, key: str) -> bool:
    """Whether a recipe's value is that of an included file."""
    return _tag(value) == "!ref" and value.value == f"<{name}[{key}]>"


def _tag(value: object) -> str:
    """How a value of HyperPyYAML begins; empty for plain YAML."""
    return getattr(getattr(value, "tag", None), "value", None) or ""


def _by_key(lines: Sequence[str]) -> dict[str, str]:
    if bad := [line for line in lines if ":" not in line]:
        raise SettingsError(f"{bad[0]!r} is not an option; expected --key=value.")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _check_filled(texts: Mapping[str, str]) -> None:
    for key, text in texts.items():
        if not text.strip():
            raise SettingsError(f"--{key} has no value, expected --{key}=value, or --{key}=null for none.")


def _check_keys(path: Path, recipe: Tree, files: Mapping[str, Tree], given: Tree) -> None:
    """Every key is one of the recipe, or of the file that is included under it."""
    for key in given:
        if key not in recipe:
            raise SettingsError(f"{path} has no key {key!r}{_hint(key, [*recipe, *chain(*files.values())])}")
    for name, file in files.items():
        own = recipe[name] if isinstance(recipe[name], Mapping) else {}
        more = given.get(name, {})
        if not isinstance(more, Mapping):
            raise SettingsError(f'--{name} is {more!r}, expected a mapping in braces: --{name}="{{key: value}}".')
        for key in [*own, *more]:
            if key not in file:
                raise SettingsError(f"{path}: {name} has no key {key!r}{_hint(key, file)}")
        at_top = [key for key in more if key in recipe and key not in LAYERS]  # a layer's name is no value of a file
        hidden = [key for key in at_top if key not in own and not _is_reference(recipe[key], name, key)]
        if hidden:
            raise SettingsError(f"{path} has {hidden[0]!r} itself, which overrides {name}'s; use --{hidden[0]}")


def read_layer(kind: str, name: str, folder: Path) -> Mapping[str, Any]:
    """The values of a scale, of a memory preset, or of a system of the paper.

    Arguments
    ---------
    kind : str
        "scale", "memory" or "system".
    name : str
        A file of ``hparams/scales``, ``hparams/memory`` or ``hparams/systems``, without its ending.
    folder : Path
        Where to look for that folder; its parents are searched too.

    Returns
    -------
    mapping
        Keys of a recipe or of what it includes.

    Raises
    ------
    SettingsError
        If there is none; names the available ones.

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
        raise SettingsError(f"There is no {kind} {name!r}; available: {', '.join(files)}.")
    return YAML().load(files[name].read_text(encoding="utf-8")) or {}


def layer_files(kind: str, folder: Path) -> dict[str, Path]:
    """The files that :func:`read_layer` chooses from, by name."""
    places = [parent / LAYERS[kind] for parent in (folder.resolve(), *folder.resolve().parents)]
    return {file.stem: file for place in reversed(places) for file in sorted(place.glob("*.yaml"))}


def _over_layers(path: Path, recipe: Tree, files: Mapping[str, Tree], given: Tree) -> Tree:
    """The command line's values over those of the system, the memory preset and the scale."""
    values: Tree = {}
    for kind in LAYERS:
        name = given.get(kind, recipe.get(kind))
        if name is not None:
            placed = _placed(recipe, files, read_layer(kind, name, path.parent))
            if lost := [key for key in placed if key not in recipe]:
                told = f"neither it nor what it includes has {lost[0]!r}"
                raise SettingsError(f"{path} cannot be {kind} {name!r}: {told}")
            values = _merged(values, placed)
    return _merged(values, given)


def _placed(recipe: Tree, files: Mapping[str, Tree], values: Tree) -> Tree:
    """Puts each value where the recipe has its key, else under the file that has it, else at the top."""
    placed: Tree = {}
    for key, value in values.items():
        place = None if key in recipe else next((name for name, file in files.items() if key in file), None)
        placed = _merged(placed, {key: value} if place is None else {place: {key: value}})
    return placed


def _merged(below: Tree, above: Tree) -> Tree:
    """Two trees of values; the second takes precedence. A tag such as !new: stays, unless the second brings its own."""
    if _tag(above):
        return above
    both = below.copy()  # with its tag, which a plain dict would lose
    for key, value in above.items():
        merges = isinstance(below.get(key), Mapping) and isinstance(value, Mapping)
        both[key] = _merged(below[key], value) if merges else value
    return both


def _included(recipe: Tree, path: Path) -> dict[str, Tree]:
    """The content of each included file, by its key at the top of the recipe."""
    tags = {key: _tag(node) for key, node in recipe.items()}
    names = {key: tag.removeprefix(INCLUDE) for key, tag in tags.items() if tag.startswith(INCLUDE)}
    folder = path.resolve().parent
    return {key: YAML().load((folder / name).read_text(encoding="utf-8")) for key, name in names.items()}


def _hint(key: str, known: Iterable[str]) -> str:
    if told := toolkit_hint(key, known := list(known)):
        return told
    near = get_close_matches(key, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; available: {', '.join(known)}"


def _remedy(error: BaseException) -> str:
    """The command that brings the library whose absence led to an error."""
    missing = {_root(one) for one in _chain(error) if isinstance(one, ImportError)}
    library = next((library for library in EXTRAS if library in missing and find_spec(library) is None), None)
    return "" if library is None else f". {library} is missing. Run: {install_hint(EXTRAS[library])}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _root(error: ImportError) -> str:
    """The library that was not found; HyperPyYAML's errors say it with their last word only."""
    return (error.name or str(error).rpartition(" ")[2]).partition(".")[0]
