"""Loads a model folder's ``hyperparams.yaml`` without ever running code that it names.

HyperPyYAML runs whatever a file names: ``!apply:``, ``!!python/...``, ``!new:`` of any class, ``!include:``, the
arithmetic of a ``!ref`` (``9**9**9`` never ends), an attribute behind a ``!ref`` dot, and even a *quoted* string in
round brackets, which its tuple rule hands to PyYAML's unsafe loader. So the text is scanned first, event by event,
against a short list of what our own folders hold; afterwards exactly the scanned text is loaded. References are counted
with what they stand for, since eleven lines of them can stand for a hundred billion values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from io import StringIO
from pathlib import Path

from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, DocumentStartEvent, Event, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from speechbrain_xser.errors import UnsafeModelError, XserError
from speechbrain_xser.model_folder.lobes import KNOWN
from speechbrain_xser.model_folder.plain_files import check_file

MAX_BYTES = 65536
MAX_CHARACTERS = 16384  # of a YAML, before and after its references are resolved
MAX_DEPTH = 16
FACTORY = "!name:speechbrain_xser.model.build_model"
PRETRAINER = "!new:speechbrain_xser.model_folder.weights.FolderPretrainer"
ALLOWED_TAGS = frozenset({"!ref", FACTORY, PRETRAINER, *(known.tag for known in KNOWN.values())})
REFERENCE = re.compile(r"<[A-Za-z_]\w*(\[\w+\])*>")  # one whole key: no text around it, no dots, no arithmetic
LOAD_ERRORS = (YAMLError, ValueError, TypeError, LookupError, AttributeError, ImportError, RecursionError)


def read_text(path: str | Path) -> str:
    """Reads a bounded UTF-8 file.

    Arguments
    ---------
    path : str or Path
        A text file of a model folder.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    UnsafeModelError
        If the file is missing, no regular file, larger than ``MAX_BYTES`` or not UTF-8.

    Example
    -------
    >>> read_text("no/such/hyperparams.yaml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: no/such/hyperparams.yaml: cannot be read (...)...
    """
    try:
        check_file(path)
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnsafeModelError(f"{path}: cannot be read ({error.strerror}); a model folder needs this file") from error
    if len(data) > MAX_BYTES:
        raise UnsafeModelError(f"{path}: larger than {MAX_BYTES} bytes; a model folder's text files are small")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnsafeModelError(f"{path}: is not UTF-8 text ({error})") from error


def scan(text: str, where: str = "hyperparams.yaml", resolved: bool = False) -> None:
    """Refuses a text that holds anything beyond plain values and the tags of ``ALLOWED_TAGS``.

    Arguments
    ---------
    text : str
        HyperPyYAML text.
    where : str
        Path for the message.
    resolved : bool
        True for text whose references HyperPyYAML has resolved: it may hold anchors, and no ``!ref``.

    Raises
    ------
    UnsafeModelError
        Names the line, what was found and what is allowed.

    Example
    -------
    >>> scan("latent: 128")
    >>> scan("a: !apply:os.getcwd []")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: hyperparams.yaml, line 1: tag '!apply:os.getcwd' is not one of a model \
folder's own; nothing was run
    """
    if len(text) > MAX_CHARACTERS:
        raise UnsafeModelError(f"{where}: longer than {MAX_CHARACTERS} characters; a model's own are a few thousand")
    depth = 0
    try:
        for event in _events(text):
            depth += type(event).__name__.endswith("StartEvent") - type(event).__name__.endswith("EndEvent")
            fault = _fault_of(event, depth, resolved)
            if fault:
                line = event.start_mark.line + 1
                raise UnsafeModelError(f"{where}, line {line}: {fault}; nothing was run")
    except YAMLError as error:
        raise UnsafeModelError(f"{where}: is not YAML ({' '.join(str(error).split())})") from error


def _events(text: str) -> Iterator[Event]:
    return YAML(typ="safe", pure=True).parse(StringIO(text))


def _fault_of(event: Event, depth: int, resolved: bool) -> str | None:
    """What is wrong with one event, None if nothing is."""
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
        return "YAML directives are not allowed"
    if not resolved and (isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None):
        return "anchors and aliases are not allowed; use !ref <key>"
    tag = getattr(event, "tag", None)
    if tag is not None and (str(tag) not in ALLOWED_TAGS or (resolved and str(tag) == "!ref")):
        return f"tag {str(tag)!r} is not one of a model folder's own"
    return _fault_of_scalar(event.value, tag) if isinstance(event, ScalarEvent) else None


def _fault_of_scalar(value: str, tag: str | None) -> str | None:
    if tag is not None and str(tag) == "!ref":
        return None if REFERENCE.fullmatch(value) else f"reference {value!r} is more than one <key>"
    if "<" in value:
        return f"text {value[:40]!r} holds '<', which HyperPyYAML would read as a reference"
    if value.lstrip().startswith("("):
        return f"text {value[:40]!r} starts with a bracket, which HyperPyYAML would run as a tuple"
    return None


def _expanded(node: Node, root: Node, through: tuple[str, ...] = ()) -> int:
    """Characters of a node once its references are resolved, counted no further than the limit."""
    if isinstance(node, ScalarNode) and str(node.tag) == "!ref":
        if node.value in through:
            raise UnsafeModelError(f"reference {node.value!r} leads back to itself")
        target = reduce(_part, re.findall(r"\w+", node.value), root)
        return 1 if target is None else _expanded(target, root, (*through, node.value))
    if isinstance(node, ScalarNode):
        return len(node.value) + 1
    total = 1
    for part in node.value:
        pair = part if isinstance(part, tuple) else (part,)
        total += sum(_expanded(one, root, through) for one in pair)
        if total > MAX_CHARACTERS:
            raise UnsafeModelError(f"its references stand for more than {MAX_CHARACTERS} characters")
    return total


def _part(node: Node | None, name: str) -> Node | None:
    """The value of a key, None if there is none."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _check_references(text: str, where: str) -> None:
    """Refuses references that never end, or stand for too much."""
    try:
        root = YAML(typ="safe", pure=True).compose(StringIO(text))
        if root is not None:
            _expanded(root, root)
    except UnsafeModelError as error:
        raise UnsafeModelError(f"{where}: {error}; nothing was run") from None


def load_safely(text: str, overrides: dict | None = None, where: str = "hyperparams.yaml") -> dict:
    """Scans a model folder's hyperparameters, then loads them with HyperPyYAML.

    Arguments
    ---------
    text : str
        HyperPyYAML text.
    overrides : dict, optional
        The caller's own values for keys of the text; they pass the same scan.
    where : str
        Path for messages.

    Returns
    -------
    dict
        The loaded hyperparameters.

    Raises
    ------
    UnsafeModelError
        If the text holds anything that is not allowed, or cannot be loaded.

    Example
    -------
    >>> load_safely("a: 3\\nb: [!ref <a>, 4]", {"a": 5})["b"]
    [5, 4]
    """
    scan(text, where)
    try:
        _check_references(text, where)
        resolved = resolve_references(text, overrides, overrides_must_match=True).getvalue()
        scan(resolved, where, resolved=True)
        hparams = load_hyperpyyaml(resolved)
    except XserError:
        raise
    except LOAD_ERRORS as error:
        raise UnsafeModelError(f"{where}: cannot be loaded as a model's hyperparameters ({error})") from error
    if not isinstance(hparams, dict):
        raise UnsafeModelError(f"{where}: expected keys and values, found {type(hparams).__name__}")
    return hparams
