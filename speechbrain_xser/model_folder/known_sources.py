"""Which sources of backbones a model folder may name.

A folder may come from anyone. It may name what lies inside it, what this package brings, and a model on the hub, whose
bytes the folder's fingerprint names. Any other place on this machine must be known: this user has written a model
folder with it before. What the caller gives as an override is not asked about.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import platformdirs

from speechbrain_xser.errors import UnsafeModelError
from speechbrain_xser.model_folder.enclosed import INSIDE
from speechbrain_xser.utils.sources import HUB_ID

BROUGHT = ("packaged:", "setup:")  # by the package, and by `xser setup small`
Sources = Mapping[str, tuple[str, str | None]]  # source and revision by the backbone's name

logger = logging.getLogger(__name__)


def check_sources(sources: Sources, folder: str | Path, given: Collection[str] = ()) -> None:
    """Refuses a model folder that names a place which no stranger may name.

    Arguments
    ---------
    sources : mapping of str to tuple
        Source and revision of each backbone, as the folder's settings have them.
    folder : str or Path
        The model folder, for the message.
    given : collection of str
        Keys that the caller has overridden: what they name is the caller's own.

    Raises
    ------
    UnsafeModelError
        Names the key and what to do.

    Example
    -------
    >>> check_sources({"encoder": ("packaged:hubert-tiny", None), "llm": ("owner/llm", "0" * 40)}, "model")
    >>> check_sources({"encoder": ("/etc", None)}, "model")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: model: encoder_source is '/etc', a place that its author chose on this \
machine; if you know it, give overrides={'encoder_source': '/etc'}
    """
    for name in strange_sources(sources, given):
        source, key = sources[name][0], f"{name}_source"
        if not source.startswith(INSIDE) and (Path(source).exists() or not HUB_ID.fullmatch(source)):
            raise UnsafeModelError(
                f"{folder}: {key} is {source!r}, a place that its author chose on this machine; if you know it, give "
                f"overrides={{{key!r}: {source!r}}}"
            )


def strange_sources(sources: Sources, given: Collection[str] = ()) -> list[str]:
    """Which backbones a stranger may have made: they are not brought by the package, not known, and not overridden.

    Example
    -------
    >>> strange_sources({"encoder": ("packaged:hubert-tiny", None), "llm": ("inside:llm", None)})
    ['llm']
    """
    found = {name: source for name, source in sources.items() if f"{name}_source" not in given}
    return [name for name, source in found.items() if not source[0].startswith(BROUGHT) and not is_known(*source)]


def remember_sources(sources: Sources) -> None:
    """Notes that this user has written a model folder with these sources; without a place for notes, says so."""
    for source, revision in sources.values():
        if source.startswith((INSIDE, *BROUGHT)) or is_known(source, revision):
            continue
        try:
            _note(source, revision).parent.mkdir(parents=True, exist_ok=True)
            _note(source, revision).touch()
        except OSError as error:
            logger.warning("%s cannot be noted as known (%s): name it as an override to load the model.", source, error)


def is_known(source: str, revision: str | None = None) -> bool:
    """Whether this user has written a model folder with that source.

    Example
    -------
    >>> is_known("/nowhere/at/all")
    False
    """
    return _note(source, revision).exists()


def _note(source: str, revision: str | None) -> Path:
    """An empty file; its name says nothing about the source."""
    place = Path(platformdirs.user_state_dir("speechbrain_xser", appauthor=False), "known_sources")
    return place / hashlib.sha256(f"{source}\n{revision or ''}".encode("utf-8", "replace")).hexdigest()
