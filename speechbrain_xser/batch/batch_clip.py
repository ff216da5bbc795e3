"""A clip of a shard: what is explained, what is known of it, and how it gets onto this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_xser.batch.storage import is_web, local_copy, name_of
from speechbrain_xser.data.addresses import is_address
from speechbrain_xser.data.manifest import Utterance, checked_fields
from speechbrain_xser.errors import AudioError, ManifestError
from speechbrain_xser.explaining.clips import SourceClip

EXACT = ("id", "wav", "start", "stop")  # fields without which another sound would be explained


class BatchClip(NamedTuple):
    """A clip of a shard."""

    clip: SourceClip  # its path is local; it has a fault if it cannot be read
    utterance: Utterance  # what the input knows of it
    left_out: tuple[str, ...] = ()  # what it says of fields that do not fit


def faulty(id: str, name: str, fault: str) -> BatchClip:
    """What becomes a row with an error."""
    return BatchClip(SourceClip(name, name, fault), Utterance(id, name))


def brought(place: int, found: BatchClip, folder: Path) -> BatchClip:
    """Clip number ``place`` of a shard as a local file, fetched into a folder if it lies elsewhere.

    Raises
    ------
    BatchError
        If the network, the store or the disk fails: another try may go better.
    """
    if found.clip.fault is not None or not is_address(found.clip.path):
        return found
    try:
        return found._replace(clip=found.clip._replace(path=local_copy(found.clip.path, folder, f"{place}")))
    except AudioError as error:
        return found._replace(clip=found.clip._replace(fault=str(error)))


def refuse_foreign(place: str, source: str, where: str, data_folder: str | None = None) -> None:
    """Refuses a place to which an input may not send this machine.

    A person says where this machine connects, and data does not. An input may name http(s) addresses, and what is in
    the kind of store that it comes from; paths of this machine only if it lies here itself, or below the data folder.

    Arguments
    ---------
    place : str
        Path or address of a clip.
    source : str
        The manifest or table that names it.
    where : str
        Its line or row, for the message.
    data_folder : str, optional
        Given by the person; counts like the source.

    Raises
    ------
    ManifestError
        Names the place.

    Example
    -------
    >>> refuse_foreign("s3://bucket/a.wav", "s3://bucket/all.jsonl", "line 1")
    >>> refuse_foreign("/etc/hostname", "s3://bucket/all.jsonl", "line 1")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: line 1: /etc/hostname is neither in the store of s3://bucket/all.jsonl \
nor an http(s) address. Put the list of clips where the clips are.
    """
    given = [source] if data_folder is None else [source, data_folder]
    if is_web(place):
        return
    if is_address(place):
        allowed = "::" not in place and _scheme(place) in map(_scheme, filter(is_address, given))
    else:
        allowed = not is_address(source) or (data_folder is not None and _is_below(place, data_folder))
    if not allowed:
        home = f"in the store of {name_of(source)}" if is_address(source) else "on this machine"
        told = f"{where}: {name_of(place)} is neither {home} nor an http(s) address."
        raise ManifestError(f"{told} Put the list of clips where the clips are.")


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower()


def _is_below(path: str, folder: str) -> bool:
    return os.path.abspath(path).startswith(os.path.join(os.path.abspath(folder), ""))


class Known(NamedTuple):
    """What foreign fields tell of a clip."""

    utterance: Utterance
    left_out: tuple[str, ...]  # a message for each field that does not fit


def known_of(fields: dict[str, Any], id: str, where: str) -> Known:
    """What foreign fields tell of a clip: those that a manifest has too; ``text`` is its transcript.

    What does not fit, such as the number of a class in the place of an emotion, is left out. Times have to fit, since
    they say which sound is meant.

    Raises
    ------
    ManifestError
        If times are wrong.

    Example
    -------
    >>> found, left_out = known_of({"text": "hello", "url": "x", "emotion": 3}, "a", "row 1")
    >>> found.transcript, found.emotion, left_out
    ('hello', None, ("row 1, utterance 'a': emotion is 3, expected a text.",))
    """
    known = {name: value for name, value in fields.items() if name in Utterance._fields and name != "wav"}
    known.setdefault("transcript", fields.get("text"))
    known |= {"id": str(known.get("id") or id), "wav": where}
    try:
        return Known(checked_fields(dict(known), where), ())
    except ManifestError:
        faults = {name: _fault(name, value, known["id"], where) for name, value in known.items() if name not in EXACT}
        fitting = {name: value for name, value in known.items() if faults.get(name) is None}
        return Known(checked_fields(fitting, where), tuple(fault for fault in faults.values() if fault is not None))


def _fault(name: str, value: Any, id: str, where: str) -> str | None:
    try:
        checked_fields({"id": id, "wav": "a", name: value}, where)
    except ManifestError as error:
        return str(error)
    return None
