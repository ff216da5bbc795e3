"""Backbones that lie inside a trained folder, where ``xser export`` puts them: the source is ``inside:llm``.

A folder may come from anyone. So a backbone inside it may consist only of known files, in a sub-folder with one of two
names, and may refer to nothing outside: no model code (``auto_map``), no adapter for another base, no shard elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from speechbrain_xser.errors import UnsafeModelError
from speechbrain_xser.model_folder.plain_files import MOST_TEXT_BYTES, read_object

INSIDE = "inside:"
PLACES = {"encoder": "encoder", "llm": "decoder"}  # backbones, and the lobe that each is in
NAMES = tuple(PLACES)
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja",
)  # fmt: skip
CONFIG_FILES = ("config.json", "generation_config.json", "preprocessor_config.json")
INDEX = "model.safetensors.index.json"
CODE, ELSEWHERE = ".py", "--"  # of classes of its own; in the name of a class of another repository
TRUSTED = ("llm",)  # encoders are of known families
ALLOWED = frozenset((*CONFIG_FILES, *TOKENIZER_FILES, INDEX))
WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
PATTERNS = tuple(f"{name}/{file}" for name in NAMES for file in (*sorted(ALLOWED), "model*.safetensors"))  # for the hub


def with_enclosed(
    model: Mapping[str, Mapping], folder: str | Path, trust_remote_code: bool = False
) -> dict[str, Mapping]:
    """The lobes of a model, with the places of those backbones that lie inside its folder.

    Arguments
    ---------
    model : mapping
        Lobes as plain values.
    folder : str or Path
        The trained folder.
    trust_remote_code : bool
        As for :func:`enclosed_folder`.

    Returns
    -------
    dict

    Raises
    ------
    UnsafeModelError
        If a source names anything else inside the folder, or the sub-folder holds more than a backbone.

    Example
    -------
    >>> with_enclosed({"encoder": {"source": "packaged:hubert-tiny"}, "decoder": {}}, "anywhere")
    {'encoder': {'source': 'packaged:hubert-tiny'}, 'decoder': {}}
    >>> with_enclosed({"encoder": {"source": "packaged:hubert-tiny"}, "decoder": {"source": "inside:../llm"}}, "a")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: a: the source of llm is 'inside:../llm'; inside a folder it is \
'inside:llm'
    """
    places = {PLACES[name]: enclosed_folder(folder, name, trust_remote_code) for name in enclosed(model, folder)}
    return {**model, **{place: {**model[place], "source": source} for place, source in places.items()}}


def enclosed(model: Mapping[str, Mapping], folder: str | Path) -> list[str]:
    """Which backbones lie inside the folder; raises UnsafeModelError if a source names anything else inside it.

    Example
    -------
    >>> enclosed({"encoder": {"source": "packaged:hubert-tiny"}, "decoder": {"source": "inside:llm"}}, "anywhere")
    ['llm']
    """
    found = []
    for name, place in PLACES.items():
        source = model[place].get("source")
        if isinstance(source, str) and source.startswith(INSIDE):
            if source != INSIDE + name:
                raise UnsafeModelError(
                    f"{folder}: the source of {name} is {source!r}; inside a folder it is '{INSIDE}{name}'"
                )
            found.append(name)
    return found


def enclosed_folder(folder: str | Path, name: str, trust_remote_code: bool = False) -> str:
    """The place of a backbone inside a trained folder, after a check of everything in it.

    Arguments
    ---------
    folder : str or Path
        The trained folder.
    name : str
        "encoder" or "llm".
    trust_remote_code : bool
        Whether the LLM may bring classes of its own, as Python beside its configuration; code elsewhere stays refused.

    Returns
    -------
    str

    Raises
    ------
    UnsafeModelError
        If it is missing, leads out of the folder, or holds or names anything that a backbone does not need.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "llm").mkdir()
    >>> _ = (folder / "llm" / "config.json").write_text('{"auto_map": {"AutoConfig": "other/name--code.Config"}}')
    >>> enclosed_folder(folder, "llm")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: ...config.json: names code (auto_map), which is never run
    """
    place = Path(folder) / name
    if not place.is_dir() or place.resolve() != Path(folder).resolve() / name:
        raise UnsafeModelError(f"{place}: expected a folder; the model folder is not complete")
    trusted = trust_remote_code and name in TRUSTED
    for path in place.iterdir():
        known = path.name in ALLOWED or WEIGHTS.fullmatch(path.name) or (trusted and path.suffix == CODE)
        if not path.is_file() or not known:
            raise UnsafeModelError(f"{path}: is not a file of a backbone; nothing in this folder was loaded")
    for path in place.glob("*config.json"):
        named = read_object(path, kind=UnsafeModelError).get("auto_map")
        if named is not None and (not trusted or ELSEWHERE in str(named)):
            raise UnsafeModelError(f"{path}: names code (auto_map), which is never run")
    _check_index(place / INDEX)
    return str(place)


def _check_index(path: Path) -> None:
    """Checks that the shards lie beside the index."""
    if not path.exists():
        return
    shards = read_object(path, MOST_TEXT_BYTES, UnsafeModelError).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(n, str) and WEIGHTS.fullmatch(n) for n in shards.values()):
        raise UnsafeModelError(
            f"{path}: expected names of shards in the same folder, such as model-00001-of-00002.safetensors"
        )
