"""The settings of a trained folder, ``settings.json``: plain values from which the model is checked and built.

Every argument of every lobe is written out, so that a later release's defaults cannot change a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.errors import CheckpointError, UnsafeModelError, XserError
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.model import ExplainableSER, build_model
from speechbrain_xser.model_folder.enclosed import PLACES
from speechbrain_xser.model_folder.lobes import CUSTOM, custom_or, fault, is_lobe, lobe, plain
from speechbrain_xser.model_folder.safe_yaml import MAX_DEPTH, read_text
from speechbrain_xser.stages import STAGES
from speechbrain_xser.utils.out_of_memory import is_out_of_memory
from speechbrain_xser.utils.sources import is_gguf

FORMAT = 1
MOST_BRANCHES = 32
SHOWN = 3  # names in a message
OWN = {  # a folder's own values, with defaults
    "stage": "ser",
    "emotions": list(EMOTIONS),
    "max_seconds": 30.0,
    "cut_silence": False,
}
SINCE = {"cut_silence": False}  # keys that older folders lack
LOBES = ("encoder", "branches", "decoder")
STANDARDIZATION = "standardization"  # a lobe that a model may lack
READERS = ("recognizer",)  # lobes of a branch that have a backbone of their own


def complete_settings(config: Mapping[str, object]) -> dict:
    """The complete, checked settings of a model, in a form that JSON can hold.

    Arguments
    ---------
    config : mapping
        "model": arguments of ``build_model``, or the same as plain values. Optional: "stage" (a name in ``STAGES``),
        "emotions" (the model's classes), "max_seconds", and "cut_silence" (whether silence before and after speech is
        cut off before the model hears a clip).

    Returns
    -------
    dict
        The same with every default filled in; folders on this machine become absolute.

    Raises
    ------
    CheckpointError
        If a value is not plain, or is unknown to this package.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_xser.decoder.heads import HeadsDecoder
    >>> from speechbrain_xser.lobes.branch import build_branch
    >>> from speechbrain_xser.lobes.encoder import FrozenEncoder
    >>> encoder, branches = partial(FrozenEncoder, "packaged:a"), {"content": build_branch, "descriptor": build_branch}
    >>> settings = complete_settings({"model": {"encoder": encoder, "branches": branches, "decoder": HeadsDecoder}})
    >>> settings["stage"], settings["model"]["branches"]["content"]["adapter"]
    ('ser', {'type': 'Adapter', 'stack': 5, 'hidden': 2048})
    """
    settings = {key: config.get(key, value) for key, value in OWN.items()}
    model = config.get("model") or {}
    if model.get(STANDARDIZATION, model) is None:
        model = {name: part for name, part in model.items() if name != STANDARDIZATION}
    settings = plain_values({**settings, "model": {**model, "encoder": custom_or(model.get("encoder"))}})
    check_settings(settings, "config", CheckpointError)
    for part in sourced(settings["model"]).values():
        if Path(part["source"]).is_dir() or is_gguf(part["source"]):
            part["source"] = str(Path(part["source"]).resolve())
    return settings


def plain_values(values: Mapping[str, object]) -> dict:
    """Values as JSON returns them; raises CheckpointError if one is neither plain nor a lobe."""
    try:
        return json.loads(json.dumps(plain(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"config: {error}; expected plain values, and lobes under 'model'") from error


def check_settings(settings: Mapping[str, object], where: str | Path, kind: type[XserError]) -> None:
    """Refuses settings that no model of this package can have.

    Arguments
    ---------
    settings : mapping
        Plain values.
    where : str or Path
        Their file, for messages.
    kind : type of XserError
        The error to raise.

    Raises
    ------
    XserError
        Of that kind.

    Example
    -------
    >>> check_settings({**OWN, "model": {}}, "settings.json", CheckpointError)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: settings.json: model has [], expected encoder, branches, decoder
    """
    stage, emotions, seconds, cut = (settings.get(key) for key in OWN)
    answering = [name for name, one in STAGES.items() if one.start is None]
    if stage not in answering:
        raise kind(f"{where}: stage is {stage!r}; expected one of {', '.join(answering)}")
    known = [emotion for emotion in EMOTIONS if isinstance(emotions, list) and emotion in emotions]
    if not known or len(known) != len(emotions):
        raise kind(f"{where}: emotions is {emotions!r}; expected some of {', '.join(EMOTIONS)}, each once")
    if not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise kind(f"{where}: max_seconds is {seconds!r}; expected a positive number of seconds")
    if not isinstance(cut, bool):
        raise kind(f"{where}: cut_silence is {cut!r}; expected true or false")
    if _deeper(settings, MAX_DEPTH):
        raise kind(f"{where}: nested deeper than {MAX_DEPTH}")
    _check_model(settings.get("model"), where, kind)


def _deeper(value: object, depth: int) -> bool:
    """Whether plain values are nested deeper."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return bool(parts) and (depth == 0 or any(_deeper(part, depth - 1) for part in parts))


def _check_model(model: object, where: str | Path, kind: type[XserError]) -> None:
    found = list(model) if isinstance(model, Mapping) else []
    if set(found) - {STANDARDIZATION} != set(LOBES):
        raise kind(f"{where}: model has {found}, expected {', '.join(LOBES)}")
    branches = model["branches"]
    if not isinstance(branches, Mapping) or not branches or is_lobe(branches):
        raise kind(f"{where}: branches is {branches!r}; expected lobes by name, at least one")
    strange = [name for name in branches if not name.isidentifier() or hasattr(nn.ModuleDict, name)]
    if strange or len(branches) > MOST_BRANCHES:
        raise kind(
            f"{where}: branches are {', '.join(map(repr, (strange or list(branches))[:SHOWN]))}; expected at most "
            f"{MOST_BRANCHES}, with plain names"
        )
    lobes = [part for name, part in model.items() if name != "branches"] + list(branches.values())
    if strange := [value for value in lobes if not is_lobe(value)]:
        raise kind(f"{where}: {strange[0]!r} is no lobe; expected a type and its arguments")
    for name, (source, revision) in backbones(model).items():
        if not isinstance(source, str):
            raise kind(f"{where}: a source is {source!r}; expected a folder, a hub id or packaged:NAME")
        if not isinstance(revision, str | None):
            raise kind(f"{where}: the revision of {name} is {revision!r}; expected a commit")
    named = {name: part for name, part in model.items() if part != CUSTOM}
    if (found := fault(named)) is not None:
        raise kind(f"{where}: {found}")


def backbones(model: Mapping[str, object]) -> dict[str, tuple[str, str | None]]:
    """Source and revision of each backbone that a model has.

    Arguments
    ---------
    model : mapping
        Its lobes, as plain values.

    Returns
    -------
    dict of str to tuple
        By "encoder" and, if there is one, "llm" and "recognizer".

    Example
    -------
    >>> backbones({"encoder": {"source": "packaged:hubert-tiny", "revision": None}, "decoder": {}})
    {'encoder': ('packaged:hubert-tiny', None)}
    """
    found = sourced(model)
    return {name: (part["source"], part.get("revision")) for name, part in found.items()}


def sourced(model: Mapping[str, object]) -> dict[str, dict]:
    """The lobes of a model that have a source, including those inside its branches."""
    lobes = {name: model[place] for name, place in PLACES.items()}
    branches = [part for part in model.get("branches", {}).values() if is_lobe(part)]
    lobes |= {name: part[name] for part in branches for name in READERS if is_lobe(part.get(name))}
    return {name: part for name, part in lobes.items() if "source" in part}


def flat(model: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Plain values by their path, to compare them one by one.

    Example
    -------
    >>> dict(flat({"branches": {"content": {"latent": 8}}}))
    {'branches.content.latent': 8}
    """
    for name, value in model.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def model_of(
    settings: Mapping[str, object], encoder: SpeechEncoder | None = None, **decoder: object
) -> ExplainableSER:
    """Builds a model, without its trained weights, from settings that were checked.

    ``encoder`` replaces one that the settings cannot name; ``decoder`` overrides arguments of that lobe.
    """
    parts = settings["model"]
    over = {**parts["decoder"], **{key: value for key, value in decoder.items() if key in parts["decoder"]}}
    own = {} if encoder is None else {"encoder": encoder}
    named = {name: part for name, part in {**parts, "decoder": over}.items() if name not in own}
    return build_model(**own, **lobe(named))


@contextmanager
def building(folder: str | Path) -> Iterator[None]:
    """Whatever a value that no model can have ends in becomes one kind of error.

    Raises
    ------
    CheckpointError
        Names the folder and the cause.

    Example
    -------
    >>> with building("model"):
    ...     nn.Linear(-1, 4)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: model: no model can be built from its settings (...)
    """
    try:
        yield
    except XserError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"{folder}: no model can be built from its settings ({error})") from error


def settings_text(settings: Mapping[str, object]) -> str:
    """The text of a folder's ``settings.json``."""
    return json.dumps({"format": FORMAT, **settings}, indent=2, allow_nan=False) + "\n"


def read_settings(path: str | Path) -> dict:
    """Reads the settings of a trained folder, and checks them.

    Arguments
    ---------
    path : str or Path
        A ``settings.json``.

    Returns
    -------
    dict

    Raises
    ------
    UnsafeModelError
        If the file is missing or too large, or a value is unknown to this package.
    CheckpointError
        If it is not JSON, or has another format.

    Example
    -------
    >>> path = getfixture("tmp_path") / "settings.json"
    >>> _ = path.write_text('{"format": 7}')
    >>> read_settings(path)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...settings.json: format 7, expected 1; use the release that wrote this \
folder
    """
    text = read_text(path)
    try:
        settings = json.loads(text)
        found = settings.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not a trained folder's settings ({error!r})") from error
    if found != FORMAT:
        raise CheckpointError(f"{path}: format {found}, expected {FORMAT}; use the release that wrote this folder")
    settings = {**SINCE, **settings}
    check_settings(settings, path, UnsafeModelError)
    return settings
