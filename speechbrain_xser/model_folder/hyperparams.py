"""``hyperparams.yaml``: a trained folder's settings in SpeechBrain's format, written from ``settings.json``.

Values that a user may override (sources, revisions, types) have keys of their own at the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from io import StringIO
from pathlib import Path

import ruamel.yaml
from hyperpyyaml.core import RefTag, dump_hyperpyyaml
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from speechbrain_xser.errors import CheckpointError, UnsafeModelError
from speechbrain_xser.model_folder.lobes import CUSTOM, KNOWN, TYPE, is_lobe, plain
from speechbrain_xser.model_folder.locate import HYPERPARAMS, SETTINGS
from speechbrain_xser.model_folder.safe_yaml import FACTORY, PRETRAINER, load_safely, read_text, scan
from speechbrain_xser.model_folder.settings import OWN, SINCE, check_settings, flat, settings_text, sourced
from speechbrain_xser.model_folder.weights import FolderPretrainer, parts_of
from speechbrain_xser.utils.files import written_beside

OVERRIDABLE = ("source", "revision", "dtype")  # of each backbone, as encoder_source
QUANTIZATION = "quantization"  # of the LLM, under that name
ABSENT = object()  # the value of a key that is not there


def hyperparams_text(settings: Mapping[str, object]) -> str:
    """The text of a folder's ``hyperparams.yaml``.

    Arguments
    ---------
    settings : mapping
        As :func:`~speechbrain_xser.model_folder.settings.complete_settings` gives them.

    Returns
    -------
    str
        HyperPyYAML text that passes our own scan.

    Raises
    ------
    UnsafeModelError
        If a value would not pass that scan.

    Example
    -------
    >>> from speechbrain_xser import packaged_model
    >>> from speechbrain_xser.model_folder.settings import read_settings
    >>> text = hyperparams_text(read_settings(Path(packaged_model(), "settings.json")))
    >>> print(*text.splitlines()[:4], *text.splitlines()[-2:], sep="\\n")
    stage: ser
    emotions: [neutral, happy, sad, angry, surprised, fearful, disgusted]
    max_seconds: 30.0
    cut_silence: false
    pretrainer: !new:speechbrain_xser.model_folder.weights.FolderPretrainer
      paths: {branches: model.safetensors, adapter: adapter}
    """
    lobes, top = deepcopy(settings["model"]), {}
    for name, part in sourced(lobes).items():
        keys = {argument: f"{name}_{argument}" for argument in OVERRIDABLE} | {QUANTIZATION: QUANTIZATION}
        for argument, key in keys.items():
            if argument in part:
                top[key], part[argument] = part[argument], RefTag(f"<{key}>")
    factory = _tagged(FACTORY, {place: _node(part) for place, part in lobes.items()})
    pretrainer = _tagged(PRETRAINER, {"paths": parts_of(settings["model"])})
    tree = {key: settings[key] for key in OWN} | top | {"modules": {"model": factory}, "pretrainer": pretrainer}
    stream = StringIO()
    dump_hyperpyyaml(_flow_leaves(tree), stream)
    scan(stream.getvalue(), HYPERPARAMS)
    return stream.getvalue()


def write_settings(folder: str | Path, settings: Mapping[str, object]) -> None:
    """Writes a folder's ``settings.json``, and the ``hyperparams.yaml`` that follows from it.

    Arguments
    ---------
    folder : str or Path
        Where to.
    settings : mapping
        As :func:`~speechbrain_xser.model_folder.settings.complete_settings` gives them.

    Raises
    ------
    UnsafeModelError
        As :func:`hyperparams_text`; then nothing is written.
    """
    texts = {SETTINGS: settings_text(settings), HYPERPARAMS: hyperparams_text(settings)}
    for name, text in texts.items():
        with written_beside(Path(folder, name)) as file:
            file.write(text)


def overridden(settings: Mapping[str, object], overrides: dict | None = None) -> dict:
    """Settings with the caller's own values for keys of the YAML that follows from them.

    Arguments
    ---------
    settings : mapping
        As :func:`~speechbrain_xser.model_folder.settings.read_settings` gives them.
    overrides : dict, optional
        By key, as ``{"encoder_source": "/models/hubert"}``.

    Returns
    -------
    dict
        The settings, checked again.

    Raises
    ------
    UnsafeModelError
        If there is no such key, or a value is unknown to this package.

    Example
    -------
    >>> from speechbrain_xser import packaged_model
    >>> from speechbrain_xser.model_folder.settings import read_settings
    >>> settings = read_settings(Path(packaged_model("tiny"), SETTINGS))
    >>> overridden(settings, {"llm_dtype": "bfloat16"})["model"]["decoder"]["dtype"]
    'bfloat16'
    """
    return parse_hyperparams(hyperparams_text(settings), overrides)[0] if overrides else dict(settings)


def check_agreement(path: str | Path, settings: Mapping[str, object]) -> None:
    """Refuses a YAML that describes another model than the settings beside it, from which the model is built.

    Arguments
    ---------
    path : str or Path
        A YAML of a model folder.
    settings : mapping
        What its ``settings.json`` says.

    Raises
    ------
    UnsafeModelError
        If the YAML asks for anything outside the allow-list, or differs; names what differs.

    Example
    -------
    >>> from speechbrain_xser import packaged_model
    >>> from speechbrain_xser.model_folder.settings import read_settings
    >>> folder = Path(packaged_model("tiny"))
    >>> settings = read_settings(folder / SETTINGS)
    >>> check_agreement(folder / HYPERPARAMS, settings)
    >>> check_agreement(folder / HYPERPARAMS, {**settings, "max_seconds": 9.0})
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: ...hyperparams.yaml: differs from settings.json in max_seconds; \
the folder is damaged, or give your own values as overrides
    """
    text, expected = read_text(path), hyperparams_text(settings)
    if text == expected:
        return
    sides = [_compared(*parse_hyperparams(one, where=str(path))) for one in (text, expected)]
    different = sorted(key for key in {*sides[0], *sides[1]} if sides[0].get(key, ABSENT) != sides[1].get(key, ABSENT))
    if different:
        raise UnsafeModelError(
            f"{path}: differs from {SETTINGS} in {', '.join(different[:5])}; the folder is damaged, or give your own "
            "values as overrides"
        )


def _compared(settings: dict, others: dict, pretrainer: FolderPretrainer) -> dict[str, object]:
    """All that a YAML says, by its path."""
    top = {str(key): value for key, value in others.items() if key not in OWN}
    return dict(flat({**settings, **top, "pretrainer": pretrainer.names}))


def parse_hyperparams(
    text: str, overrides: dict | None = None, where: str = HYPERPARAMS
) -> tuple[dict, dict, FolderPretrainer]:
    """Parses the text of a ``hyperparams.yaml``, limited by the allow-list.

    Arguments
    ---------
    text : str
        The text.
    overrides : dict, optional
        The caller's own values for keys of the YAML.
    where : str
        The file, for messages.

    Returns
    -------
    tuple of (dict, dict, FolderPretrainer)
        The checked settings, the other values at the top, and the object that loads the weights.

    Raises
    ------
    UnsafeModelError
        If the YAML asks for anything outside the allow-list, lacks a part, or has a value that this package does not
        know.
    """
    hparams = load_safely(text, overrides, where)
    modules, pretrainer = hparams.pop("modules", None), hparams.pop("pretrainer", None)
    factory = modules.get("model") if isinstance(modules, dict) else None
    if not isinstance(factory, partial) or not isinstance(pretrainer, FolderPretrainer):
        raise UnsafeModelError(f"{where}: expected modules: {{model: {FACTORY}}} and pretrainer: {PRETRAINER}")
    try:
        model = plain(factory.keywords)
        custom = {"encoder": CUSTOM} if model.get("encoder") == CUSTOM[TYPE] else {}
        settings = {**{key: hparams.get(key, SINCE.get(key)) for key in OWN}, "model": model | custom}
    except (CheckpointError, TypeError) as error:
        raise UnsafeModelError(f"{where}: {error}") from error
    check_settings(settings, where, UnsafeModelError)
    return settings, hparams, pretrainer


def _node(value: object) -> object:
    """Plain values with the tags of their lobes."""
    if not isinstance(value, dict):
        return value
    fields = {name: _node(part) for name, part in value.items() if name != TYPE}
    if value == CUSTOM:
        return CUSTOM[TYPE]
    return _tagged(KNOWN[value[TYPE]].tag, fields) if is_lobe(value) else CommentedMap(fields)


def _tagged(tag: str, fields: dict) -> CommentedMap:
    node = CommentedMap(fields)
    node.yaml_set_ctag(ruamel.yaml.Tag(suffix=tag))
    return node


def _flow_leaves(node: object) -> object:
    """The tree with its innermost lists and mappings on one line each."""
    if isinstance(node, dict):
        children = {key: _flow_leaves(value) for key, value in node.items()}
        copy, inner = CommentedMap(children), children.values()
        if isinstance(node, CommentedMap) and node.tag.value:
            copy.yaml_set_ctag(node.tag)
    elif isinstance(node, list):
        copy, inner = CommentedSeq(map(_flow_leaves, node)), node
    else:
        return node
    if not any(isinstance(value, dict | list | RefTag) for value in inner) and not getattr(copy.tag, "value", None):
        copy.fa.set_flow_style()
    return copy
