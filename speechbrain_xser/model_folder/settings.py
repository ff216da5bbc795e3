"""The text of a trained folder's ``hyperparams.yaml``, and what it may say.

Every argument of ``build_model`` is written out, so that a later release's defaults cannot change a model.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from io import StringIO
from pathlib import Path

import ruamel.yaml
from hyperpyyaml.core import RefTag, dump_hyperpyyaml
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.errors import CheckpointError, UnsafeModelError, XserError
from speechbrain_xser.model import ExplainableSER, build_model
from speechbrain_xser.model_folder.locate import ADAPTER, BRANCH_WEIGHTS, HYPERPARAMS
from speechbrain_xser.model_folder.safe_yaml import scan
from speechbrain_xser.model_folder.weights import FolderPretrainer
from speechbrain_xser.stages import STAGES

BACKBONES = ("encoder", "llm")
SOURCES = tuple(f"{name}_source" for name in BACKBONES)
OVERRIDABLE = (*(f"{name}_{key}" for name in BACKBONES for key in ("source", "revision", "dtype")), "quantization")
NOT_KEPT = ("load_weights", "custom_encoder")  # arguments of build_model
SETTINGS = {"stage": "ser", "emotions": list(EMOTIONS), "max_seconds": 30.0}  # a folder's own values, with defaults
FACTORY = "!name:speechbrain_xser.model.build_model"
PRETRAINER = "!new:speechbrain_xser.model_folder.weights.FolderPretrainer"


def plain_config(config: Mapping[str, object]) -> dict:
    """A model's configuration, complete, checked, and as YAML and JSON can hold it.

    Arguments
    ---------
    config : dict
        "model": arguments of ``build_model``. Optional: "stage" (a name in ``STAGES``), "emotions" (the model's
        classes), "max_seconds", and "training" (plain values about the run).

    Returns
    -------
    dict
        The same with every default filled in; folders on this machine become absolute.

    Raises
    ------
    CheckpointError
        If a value is not plain, or none that this package knows.

    Example
    -------
    >>> config = plain_config({"model": {"encoder_source": "packaged:a", "llm_source": "packaged:b", "latent": 8}})
    >>> config["stage"], config["model"]["latent"], config["model"]["lora"]["r"]
    ('ser', 8, 16)
    """
    try:
        arguments = {**_defaults(), **config["model"]}
        if arguments["llm_source"] is None:
            arguments["lora"] = None
        complete = {**SETTINGS, "training": {}, **config, "model": arguments}
        plain = json.loads(json.dumps(complete, default=_plain_value, allow_nan=False))
    except (TypeError, ValueError, KeyError) as error:
        raise CheckpointError(f"config: {error!r}; expected plain values, with build_model's under 'model'") from error
    _check_arguments(plain["model"], "config", CheckpointError)
    _check_settings(plain, "config", CheckpointError)
    plain["model"] |= {key: _absolute(plain["model"][key]) for key in SOURCES if plain["model"][key] is not None}
    return plain


def backbones(arguments: Mapping[str, object]) -> dict[str, tuple[str, str | None]]:
    """Source and revision of each backbone that a model has.

    Arguments
    ---------
    arguments : mapping
        Of ``build_model``.

    Returns
    -------
    dict of str to tuple
        By "encoder" and, where there is one, "llm".

    Example
    -------
    >>> backbones({"encoder_source": "packaged:hubert-tiny", "llm_source": None})
    {'encoder': ('packaged:hubert-tiny', None)}
    """
    named = {name: (arguments[f"{name}_source"], arguments.get(f"{name}_revision")) for name in BACKBONES}
    return {name: source for name, source in named.items() if source[0] is not None}


def hyperparams_text(config: Mapping[str, object]) -> str:
    """The text of a folder's ``hyperparams.yaml``.

    Arguments
    ---------
    config : dict
        As :func:`plain_config` gives it.

    Returns
    -------
    str
        HyperPyYAML text that passes our own scan.

    Raises
    ------
    UnsafeModelError
        If a value of the configuration would not pass it.

    Example
    -------
    >>> arguments = {"encoder_source": "packaged:hubert-tiny", "llm_source": "packaged:llama-tiny"}
    >>> text = hyperparams_text(plain_config({"model": arguments}))
    >>> print(*text.splitlines()[:4], *text.splitlines()[-2:], sep="\\n")
    stage: ser
    emotions: [neutral, happy, sad, angry, surprised, fearful, disgusted]
    max_seconds: 30.0
    encoder_source: packaged:hubert-tiny
    pretrainer: !new:speechbrain_xser.model_folder.weights.FolderPretrainer
      paths: {branches: model.safetensors, adapter: adapter}
    """
    arguments = config["model"]
    hoisted = {key: arguments[key] for key in OVERRIDABLE}
    references = {key: RefTag(f"<{key}>") for key in hoisted}
    factory = _tagged(FACTORY, {**references, **{key: arguments[key] for key in arguments if key not in hoisted}})
    paths = {"branches": BRANCH_WEIGHTS} | ({"adapter": ADAPTER} if arguments["lora"] else {})
    parts = {"modules": {"model": factory}, "pretrainer": _tagged(PRETRAINER, {"paths": paths})}
    stream = StringIO()
    dump_hyperpyyaml(_flow_leaves({key: config[key] for key in SETTINGS} | hoisted | parts), stream)
    scan(stream.getvalue(), HYPERPARAMS)
    return stream.getvalue()


def checked_parts(hparams: dict, where: str | Path) -> tuple[Callable[[], ExplainableSER], FolderPretrainer]:
    """The model's factory and the pretrainer of loaded hyperparameters.

    Arguments
    ---------
    hparams : dict
        Loaded from a model folder.
    where : str or Path
        Its file, for messages.

    Returns
    -------
    tuple of (functools.partial, FolderPretrainer)
        The factory builds the model without its trained weights, which the pretrainer loads.

    Raises
    ------
    UnsafeModelError
        If one is missing, or a value is none that this package knows.

    Example
    -------
    >>> checked_parts({**SETTINGS, "modules": {}}, "hyperparams.yaml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: hyperparams.yaml: expected modules: ...
    """
    _check_settings(hparams, where, UnsafeModelError)
    modules, pretrainer = hparams.get("modules"), hparams.get("pretrainer")
    factory = modules.get("model") if isinstance(modules, dict) else None
    if not isinstance(factory, partial) or not isinstance(pretrainer, FolderPretrainer):
        raise UnsafeModelError(f"{where}: expected modules: {{model: {FACTORY}}} and pretrainer: {PRETRAINER}")
    _check_arguments(factory.keywords, where, UnsafeModelError)
    return factory, pretrainer


def _defaults() -> dict[str, object]:
    """What ``build_model`` takes where nothing is said, but for what a folder cannot hold."""
    parameters = inspect.signature(build_model).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in NOT_KEPT}


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).is_dir() else source


def _check_arguments(arguments: Mapping[str, object], where: str | Path, kind: type[XserError]) -> None:
    """The arguments are build_model's, and say of both backbones where they are, or that there is none to be found."""
    unknown = sorted(set(arguments) - {*SOURCES, *_defaults()})
    missing = [key for key in SOURCES if not isinstance(arguments.get(key, 0), str | None)]
    if unknown or missing:
        raise kind(f"{where}: the model has unknown {unknown} and lacks {missing}; give build_model's arguments")


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


def _plain_value(value: object) -> object:
    """Mappings, paths, and numbers of numpy and torch."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else os.fspath(value)


def _check_settings(settings: Mapping[str, object], where: str | Path, kind: type[XserError]) -> None:
    """Stage, classes and longest clip are ones that this package knows."""
    stage, emotions, seconds = (settings.get(key) for key in SETTINGS)
    if stage not in STAGES:
        raise kind(f"{where}: stage is {stage!r}; expected one of {', '.join(STAGES)}")
    known = [emotion for emotion in EMOTIONS if isinstance(emotions, list) and emotion in emotions]
    if not known or len(known) != len(emotions):
        raise kind(f"{where}: emotions is {emotions!r}; expected some of {', '.join(EMOTIONS)}, each once")
    if not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise kind(f"{where}: max_seconds is {seconds!r}; expected a positive number of seconds")
