"""``metadata.json`` of a trained folder: which backbones it was made with, and what it was made for.

The backbones are not in the folder, but their fingerprints are. So a different base is refused, instead of giving
nonsense.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from speechbrain_xser.errors import BackboneError, CheckpointError
from speechbrain_xser.model_folder.locate import backbone_folder
from speechbrain_xser.model_folder.safe_yaml import MAX_BYTES, read_text
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.kept_fingerprints import kept_fingerprint

FORMAT = 2  # since 2, the checksums of the weight files


class Backbone(NamedTuple):
    """One frozen base model, as a trained folder names it."""

    source: str  # packaged:NAME, hub id or folder
    revision: str | None  # commit, for a hub id
    fingerprint: str  # SHA-256 over config.json and weights


class Metadata(NamedTuple):
    """What a trained folder says about itself.

    Example
    -------
    >>> import tempfile
    >>> metadata = Metadata("0.1.0", {"llm": Backbone("packaged:llama-tiny", None, "ab12")}, {"seed": 1})
    >>> path = Path(tempfile.mkdtemp()) / "metadata.json"
    >>> write_metadata(path, metadata)
    >>> read_metadata(path) == metadata
    True
    """

    version: str  # of speechbrain_xser
    backbones: dict[str, Backbone]  # "encoder" and "llm"
    training: dict  # plain values: seed, steps, corpus, figures
    files: Mapping[str, str] = MappingProxyType({})  # SHA-256 of each weight file of the folder


def describe_backbone(source: str, revision: str | None = None) -> Backbone:
    """Names a backbone that lies on this machine, with its fingerprint.

    Arguments
    ---------
    source : str
        ``packaged:NAME``, a local folder or a hub id.
    revision : str, optional
        Of a hub id.

    Returns
    -------
    Backbone
        Its name and fingerprint.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> len(describe_backbone(tiny_encoder_folder(tempfile.mkdtemp())).fingerprint)
    64
    """
    return Backbone(str(source), revision, kept_fingerprint(backbone_folder(source, revision)))


def check_backbone(name: str, expected: Backbone, source: str, revision: str | None = None) -> None:
    """Refuses a backbone that is not the one that the folder was trained with.

    Arguments
    ---------
    name : str
        "encoder" or "llm", for the message.
    expected : Backbone
        From the folder's metadata.
    source : str
        What is being loaded now.
    revision : str, optional
        Of a hub id.

    Raises
    ------
    BackboneError
        Names both.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> one, other = (tiny_encoder_folder(tempfile.mkdtemp(), seed=seed) for seed in (0, 1))
    >>> check_backbone("encoder", describe_backbone(one), one)
    >>> check_backbone("encoder", describe_backbone(one), other)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BackboneError: encoder '...' (fingerprint ...) is not the one used in training: \
'...' (fingerprint ...); give that one
    """
    found = describe_backbone(source, revision)
    if found.fingerprint != expected.fingerprint:
        raise BackboneError(
            f"{name} {found.source!r} (fingerprint {found.fingerprint[:12]}) is not the one used in training: "
            f"{expected.source!r} (fingerprint {expected.fingerprint[:12]}); give that one"
        )


def write_metadata(path: str | Path, metadata: Metadata) -> None:
    """Writes the metadata as JSON; see :class:`Metadata`. Raises CheckpointError if it could not be read back."""
    backbones = {name: backbone._asdict() for name, backbone in metadata.backbones.items()}
    content = {"format": FORMAT, **metadata._asdict(), "backbones": backbones, "files": dict(metadata.files)}
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    if len(text.encode("utf-8")) > MAX_BYTES:
        raise CheckpointError(f"{path}: more than {MAX_BYTES} bytes; record less about the training run")
    with written_beside(path) as file:
        file.write(text)


def read_metadata(path: str | Path) -> Metadata:
    """Reads the metadata of a trained folder.

    Arguments
    ---------
    path : str or Path
        A ``metadata.json``.

    Returns
    -------
    Metadata
        Its content.

    Raises
    ------
    UnsafeModelError
        If the file is missing or too large.
    CheckpointError
        If it is not such a file, or has another format.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "metadata.json"
    >>> _ = path.write_text('{"format": 7}')
    >>> read_metadata(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...metadata.json: format 7, expected 2; ...
    """
    text = read_text(path)
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            found = content["format"]
            raise CheckpointError(f"{path}: format {found}, expected {FORMAT}; use the release that wrote this folder")
        backbones = {name: Backbone(**fields) for name, fields in content["backbones"].items()}
        metadata = Metadata(content["version"], backbones, content["training"], dict(content["files"]))
        named = [text for one in backbones.values() for text in (one.source, one.fingerprint, one.revision or "")]
        if not isinstance(metadata.training, dict) or not all(isinstance(text, str) for text in named):
            raise TypeError("texts and mappings are expected")
        return metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not a trained folder's metadata ({error!r})") from error
