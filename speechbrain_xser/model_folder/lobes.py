"""A lobe as plain values: the name of one of the package's own classes or functions, and its arguments.

``partial(Adapter, stack=5)`` is ``{"type": "Adapter", "stack": 5, "hidden": 2048}``. A trained folder is built from
nothing else, so it never runs code of its own.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from functools import partial
from pydoc import locate
from typing import NamedTuple

from speechbrain_xser.errors import CheckpointError

TYPE = "type"
CUSTOM = {TYPE: "custom"}  # an encoder that no folder can name
NEVER_SAID = ("load_weights", "trust_remote_code")  # no properties of a model: the caller's alone


class Known(NamedTuple):
    """A class or function that a trained folder may name."""

    path: str
    given: tuple[str, ...] = ()  # arguments that the builder of the model passes

    @property
    def builds(self) -> Callable:
        """The class or function itself."""
        return locate(self.path)

    @property
    def tag(self) -> str:
        """Its HyperPyYAML tag: plain values are built at once, lobes when they are called."""
        return f"{'!new' if is_dataclass(self.builds) else '!name'}:{self.path}"

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """The arguments that a folder states."""
        parameters = inspect.signature(self.builds).parameters
        return {name: one for name, one in parameters.items() if name not in (*self.given, *NEVER_SAID)}


KNOWN = {
    path.rpartition(".")[2]: Known(f"speechbrain_xser.{path}", given)
    for path, given in {
        "lobes.encoder.FrozenEncoder": (),
        "lobes.branch.build_branch": ("encoder", "width"),
        "lobes.bottleneck.build_bottleneck": ("layer_count", "width"),
        "lobes.adapter.Adapter": ("latent", "width"),
        "lobes.recognized.build_recognized": ("encoder", "width", "embed_text"),
        "lobes.row_adapter.build_rows": ("encoder", "width", "vocabulary_rows"),
        "lobes.word_recognizer.WhisperRecognizer": (),
        "lobes.standardization.StateStandardization": ("encoder",),
        "decoder.decoder.LLMDecoder": (),
        "decoder.heads.HeadsDecoder": ("width",),
        "decoder.prompt.PromptTemplate": (),
    }.items()
}


def plain(value: object) -> object:
    """A value in a form that JSON can hold; a lobe lists every argument, with the default if none was given.

    Arguments
    ---------
    value : object
        A lobe, or something that contains lobes: mappings, lists, plain values, paths, numpy and torch numbers.

    Returns
    -------
    object

    Raises
    ------
    CheckpointError
        If a lobe is not one of the package's own.
    TypeError
        If another value is not plain.

    Example
    -------
    >>> from speechbrain_xser.lobes.adapter import Adapter
    >>> plain({"a": partial(Adapter, hidden=8)})
    {'a': {'type': 'Adapter', 'stack': 5, 'hidden': 8}}
    >>> plain(partial(print, "hello"))
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: print is no lobe that a model folder can name; there are: ...
    """
    if isinstance(value, partial):
        names = list(inspect.signature(value.func).parameters)
        return _complete(value.func, {**dict(zip(names, value.args, strict=False)), **value.keywords})
    if inspect.isclass(value) or inspect.isfunction(value):
        return _complete(value, {})
    if is_dataclass(value):
        return _complete(type(value), vars(value))
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return value.item() if hasattr(value, "item") else os.fspath(value)


def _complete(builds: Callable, said: Mapping[str, object]) -> dict:
    name = getattr(builds, "__name__", type(builds).__name__)
    if name not in KNOWN or KNOWN[name].builds is not builds:
        raise CheckpointError(f"{name} is no lobe that a model folder can name; there are: {', '.join(KNOWN)}")
    said, arguments = {key: value for key, value in said.items() if key not in NEVER_SAID}, KNOWN[name].arguments
    values = {key: said.get(key, one.default) for key, one in arguments.items()}
    values = {key: value for key, value in values.items() if value is not inspect.Parameter.empty}
    return {TYPE: name, **{key: plain(value) for key, value in {**values, **said}.items()}}


def custom_or(encoder: object) -> object:
    """An encoder as a folder stores it: ``CUSTOM`` for a class of the user's own, to be passed again at loading.

    Example
    -------
    >>> custom_or(object()) == CUSTOM, custom_or({"type": "FrozenEncoder"})
    (True, {'type': 'FrozenEncoder'})
    """
    if isinstance(encoder, Mapping):
        return encoder
    builds = encoder.func if isinstance(encoder, partial) else encoder
    name = getattr(builds, "__name__", "")
    return encoder if name in KNOWN and KNOWN[name].builds is builds else CUSTOM


def is_lobe(value: object) -> bool:
    """Whether a plain value describes a lobe."""
    return isinstance(value, Mapping) and TYPE in value


def fault(value: object, where: str = "model") -> str | None:
    """What is wrong with the lobes inside plain values; None if nothing is.

    Example
    -------
    >>> fault({"type": "Adapter", "stack": 5, "hidden": 8, "colour": 1})
    "model: Adapter has unknown ['colour'] and lacks []"
    """
    if is_lobe(value):
        if not isinstance(value[TYPE], str) or value[TYPE] not in KNOWN:
            return f"{where}: {value[TYPE]!r} is no lobe; there are: {', '.join(KNOWN)}"
        known, said = KNOWN[value[TYPE]].arguments, {key for key in value if key != TYPE}
        lacking = [key for key, one in known.items() if key not in said and one.default is one.empty]
        if said - known.keys() or lacking:
            return f"{where}: {value[TYPE]} has unknown {sorted(said - known.keys())} and lacks {lacking}"
    parts = value.items() if isinstance(value, Mapping) else ()
    return _first(fault(part, f"{where}: {name}") for name, part in parts)


def _first(faults: Iterable[str | None]) -> str | None:
    return next((one for one in faults if one is not None), None)


def lobe(value: object, **more: object) -> object:
    """The builder of the lobes that plain values name.

    Arguments
    ---------
    value : object
        As :func:`plain` returns it; it must have no :func:`fault`.
    **more
        Arguments that override those of the outermost lobe.

    Returns
    -------
    object
        A ``functools.partial`` for each lobe; the partials of inner lobes are among its arguments.

    Example
    -------
    >>> lobe({"type": "Adapter", "stack": 5, "hidden": 8})(latent=4, width=6).hidden.out_features
    8
    """
    if not isinstance(value, Mapping):
        return value
    inner = {name: lobe(part) for name, part in value.items() if name != TYPE}
    if TYPE not in value:
        return inner
    known = KNOWN[value[TYPE]].builds
    return known(**inner) if is_dataclass(known) else partial(known, **inner, **more)
