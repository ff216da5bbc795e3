"""What a run records about the corpora that its model learnt from, and about their licences."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechbrain_xser.data.corpus_facts import read_corpus
from speechbrain_xser.model_folder.locate import METADATA, model_folder
from speechbrain_xser.model_folder.metadata import read_metadata


def corpora(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """The corpus of a run, and all corpora of the models that it started from.

    Its name is the recipe's key ``corpus``, which exists even if nothing is prepared; else the preparation's argument
    of that name; else the folder of the preparation. Its licence is the recipe's key ``licence``, else the ``LICENCE``
    of the preparation's file.

    Arguments
    ---------
    hparams : mapping
        With ``corpus`` (a name), ``licence``, ``prepare``, ``start_from`` and ``start_lora``, where it has them.

    Returns
    -------
    dict
        ``corpus``, and ``corpora``: the licence of each by its name, as far as they are known.

    Example
    -------
    >>> corpora({"prepare": None}), corpora({"corpus": "MELD", "licence": "GPL-3.0"})
    ({}, {'corpus': 'MELD', 'corpora': {'MELD': 'GPL-3.0'}})
    """
    before = [hparams[key] for key in ("start_from", "start_lora") if hparams.get(key)]
    known = {}
    for folder in before:
        known |= read_metadata(Path(model_folder(folder)) / METADATA).training.get("corpora", {})
    name = _name(hparams)
    known |= {name: _licence(hparams)} if name else {}
    return {**({"corpus": name} if name else {}), **({"corpora": known} if known else {})}


def licence_beside(recipe: str | Path) -> dict[str, str]:
    """The key ``licence`` of a recipe in its corpus's folder, so that it is known even if nothing is prepared.

    Arguments
    ---------
    recipe : str or Path
        A YAML file, as ``CORPUS/hparams/train.yaml``.

    Returns
    -------
    dict of str to str
        Empty if there is no ``prepare.py`` in that folder, or if it states no licence.

    Example
    -------
    >>> licence_beside("recipes/IEMOCAP/hparams/train.yaml")
    {'licence': 'University of Southern California, for research, on request'}
    """
    licence = read_corpus(Path(recipe).resolve().parents[1] / "prepare.py").licence
    return {"licence": licence} if licence else {}


def _name(hparams: Mapping[str, Any]) -> str | None:
    prepare = hparams.get("prepare")
    named = hparams.get("corpus") or getattr(prepare, "keywords", {}).get("corpus")
    if named or prepare is None:
        return str(named) if named else None
    return _file(prepare).parent.name


def _licence(hparams: Mapping[str, Any]) -> str | None:
    stated, prepare = hparams.get("licence"), hparams.get("prepare")
    return stated or (read_corpus(_file(prepare)).licence if prepare is not None else None)


def _file(prepare: Any) -> Path:
    """The file that defines a preparation."""
    return Path(inspect.getfile(getattr(prepare, "func", prepare))).resolve()
