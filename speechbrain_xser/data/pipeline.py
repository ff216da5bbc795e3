"""From a manifest to padded batches: a SpeechBrain data set and a collate function that handles lengths and faults."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from speechbrain_xser.data.audio import load_audio, seconds_of
from speechbrain_xser.data.faults import Fault
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.mapped_rows import DATA_ROOT, MappedRows, rows_of
from speechbrain_xser.data.row_text import stated_seconds
from speechbrain_xser.data.speech import without_silence
from speechbrain_xser.data.waveform import check_seconds
from speechbrain_xser.errors import AudioError, ManifestError

if TYPE_CHECKING:
    from speechbrain.dataio.dataset import DynamicItemDataset


class Batch(NamedTuple):
    """Utterances padded with zeros; empty (B = 0) if none of them can be read."""

    ids: tuple[str, ...]
    wavs: Tensor  # [B, S], float32, zero at padding
    samples: Tensor  # [B], int64, valid samples
    utterances: tuple[Utterance, ...]
    faults: tuple[str, ...] = ()  # messages of the clips that were skipped

    def to(self, device, non_blocking: bool = False) -> Batch:
        """Moves the waveforms to another device; counts stay on the CPU, where shapes are computed without waiting."""
        return self._replace(wavs=self.wavs.to(device=device, non_blocking=non_blocking))

    def without_silence(self) -> Batch:
        """The clips without the silence before and after speech: :func:`~speechbrain_xser.data.speech.spoken_span`."""
        wavs, samples = without_silence(self.wavs, self.samples)
        return self._replace(wavs=wavs, samples=samples)

    def pin_memory(self) -> Batch:
        """Moves the batch to page-locked memory, for loaders that copy while the device computes."""
        return self._replace(wavs=self.wavs.pin_memory(), samples=self.samples.pin_memory())


class ClipItems(Mapping[str, dict]):
    """The static fields of utterances by id: ``utterance``, ``path`` and ``duration`` in seconds.

    An item is made when it is asked for. Beside the utterances, a row takes eight bytes and its place by id.

    Arguments
    ---------
    utterances : sequence of Utterance
        With unique ids; of several with one id, the last counts.
    data_folder, base
        As for :func:`resolve`.
    max_seconds : float or None
        Longest clip.

    Raises
    ------
    ManifestError
        If a path needs a data folder, or a clip is too long.

    Example
    -------
    >>> ClipItems([Utterance("a", "a.wav", duration=2.0)], "/clips")["a"]["path"]
    '/clips/a.wav'
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        data_folder: str | os.PathLike | None = None,
        base: str = os.curdir,
        max_seconds: float | None = None,
    ) -> None:
        self._utterances, self._folders = utterances, (data_folder, base)
        if isinstance(utterances, MappedRows):
            self._places, self.ids = utterances.places, utterances.ids
            self._seconds = self._mapped_seconds(utterances, max_seconds)
        else:
            self._places = {utterance.id: place for place, utterance in enumerate(utterances)}
            self.ids = list(self._places)
            self._seconds = array("d", (self._checked_seconds(utterance, max_seconds) for utterance in utterances))

    def _mapped_seconds(self, rows: MappedRows, max_seconds: float | None) -> np.ndarray:
        """The same of mapped rows, of which only those are parsed that state no length, or are refused."""
        odd = ~(rows.seconds <= (math.inf if max_seconds is None else max_seconds))  # NaN, too
        if self._folders[0] is None and rows.rooted is not None:
            odd[rows.rooted] = True
        if not odd.any():
            return rows.seconds
        seconds = rows.seconds.copy()
        for place in np.flatnonzero(odd).tolist():
            seconds[place] = self._checked_seconds(rows[place], max_seconds)
        return seconds

    def _checked_seconds(self, utterance: Utterance, max_seconds: float | None) -> float:
        """Length of the segment, or as stated, or from the header; 0 for an unreadable clip, which is a fault later."""
        if self._folders[0] is None and utterance.wav.startswith(DATA_ROOT):
            resolve(utterance, None)  # raises
        seconds = stated_seconds(utterance)
        if seconds is None:
            try:
                seconds = seconds_of(resolve(utterance, *self._folders)) - (utterance.start or 0.0)
            except AudioError:
                seconds = 0.0
        if max_seconds is not None and seconds > max_seconds:
            try:
                check_seconds(seconds, max_seconds, f"utterance {utterance.id!r}")
            except AudioError as error:
                raise ManifestError(str(error)) from error
        return seconds

    def __getitem__(self, id: str) -> dict:
        return self._item(self._places[id])

    def _item(self, place: int) -> dict:
        utterance = self._utterances[place]
        path = resolve(utterance, *self._folders)
        return {"utterance": utterance, "path": path, "duration": float(self._seconds[place])}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def seconds(self) -> list[float]:
        """The length of each item, in their order."""
        return self._seconds.tolist()

    def values(self) -> Iterator[dict]:
        """The items in their order, without a search for each."""
        return map(self._item, self._places.values())


def items_of(clips: DynamicItemDataset) -> Iterator[dict]:
    """The static fields of a data set's clips, in its order, one at a time.

    Example
    -------
    >>> clips = dataset([Utterance(name, f"{name}.wav", duration=1.0 + n) for n, name in enumerate("abc")])
    >>> [item["path"] for item in items_of(clips)]
    ['./a.wav', './b.wav', './c.wav']
    >>> [item["path"] for item in items_of(clips.filtered_sorted(key_min_value={"duration": 3.0}))]
    ['./c.wav']
    """
    if clips.data_ids is getattr(clips.data, "ids", None):  # not a selection, nor a data set of your own
        return clips.data.values()
    return (clips.data[id] for id in clips.data_ids)


def dataset(
    manifest: str | os.PathLike | list[Utterance],
    data_folder: str | os.PathLike | None = None,
    max_seconds: float | None = 30.0,
    skip_long: bool = False,
) -> DynamicItemDataset:
    """A SpeechBrain data set of items ``id``, ``wav`` and ``utterance``, read on access.

    Arguments
    ---------
    manifest : str, path-like or list of Utterance
        A JSONL manifest, or its utterances.
    data_folder : str, path-like or None
        Replaces ``{data_root}`` at the start of a path, and is the base of relative paths; None for the manifest's own
        folder (relative paths only).
    max_seconds : float or None
        Longest clip; None for any.
    skip_long : bool
        Whether a longer clip becomes a :class:`Fault` when it is read, instead of raising an error now.

    Returns
    -------
    DynamicItemDataset
        ``wav`` is [S] float32 at 16 kHz, or a :class:`Fault` if the clip cannot be read. ``duration`` (seconds), for
        samplers, is among the static fields.

    Raises
    ------
    ManifestError
        If the manifest is invalid or empty, a path needs a data folder, or a clip is longer than ``max_seconds`` and
        ``skip_long`` is false.

    Example
    -------
    >>> clips = dataset([Utterance("a", "missing.wav", duration=1.0)], data_folder="/nowhere")
    >>> str(clips[0]["wav"])
    "utterance 'a': /nowhere/missing.wav: no such file, expected an audio file. Check the path, ..."
    """
    from speechbrain.dataio.dataset import DynamicItemDataset  # loads all of speechbrain, including scipy.stats

    given = isinstance(manifest, list)
    utterances = manifest if given else rows_of(manifest)
    base = os.curdir if given else os.path.dirname(os.path.abspath(manifest))
    allowed = None if skip_long else max_seconds
    items = ClipItems(utterances, data_folder, base, allowed)
    if not items:
        raise ManifestError(f"{'The list' if given else manifest}: no utterances, expected at least one.")
    if len(items) != len(utterances):
        raise ManifestError(f"{len(utterances) - len(items)} ids occur twice; expected unique ids.")
    clips = DynamicItemDataset({items.ids[0]: items[items.ids[0]]})  # of all items it would list the ids
    clips.data, clips.data_ids = items, items.ids
    clips.add_dynamic_item(partial(_read, max_seconds), takes=["id", "path", "utterance"], provides="wav")
    clips.set_output_keys(["id", "wav", "utterance"])
    return clips


def collate(items: list[dict]) -> Batch:
    """Pads the readable items to a batch and keeps the messages of the others.

    Arguments
    ---------
    items : list of dict
        Items of :func:`dataset`.

    Returns
    -------
    Batch
        In the items' order.

    Example
    -------
    >>> a, b = ({"id": n, "wav": torch.ones(s), "utterance": Utterance(n, f"{n}.wav")} for n, s in (("a", 3), ("b", 1)))
    >>> batch = collate([a, {**a, "id": "c", "wav": Fault("c", "c.wav: 0 bytes.")}, b])
    >>> batch.ids, batch.wavs.tolist(), batch.samples, batch.faults
    (('a', 'b'), [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]], tensor([3, 1]), ("utterance 'c': c.wav: 0 bytes.",))
    """
    faults = tuple(str(item["wav"]) for item in items if isinstance(item["wav"], Fault))
    items = [item for item in items if not isinstance(item["wav"], Fault)]
    samples = torch.tensor([len(item["wav"]) for item in items], dtype=torch.int64)
    wavs = torch.zeros(len(items), int(samples.max()) if items else 0)
    for row, item in zip(wavs, items, strict=True):
        row[: len(item["wav"])] = item["wav"]
    return Batch(tuple(item["id"] for item in items), wavs, samples, tuple(item["utterance"] for item in items), faults)


def resolve(utterance: Utterance, data_folder: str | os.PathLike | None, base: str | os.PathLike = os.curdir) -> str:
    """The path of an utterance's clip.

    Arguments
    ---------
    utterance : Utterance
        Its ``wav`` may start with ``{data_root}``, or be relative.
    data_folder : str, path-like or None
        Replaces ``{data_root}``, and is the base of relative paths.
    base : str or path-like
        Base of relative paths without a data folder.

    Returns
    -------
    str
        The path; it need not exist.

    Raises
    ------
    ManifestError
        If the path needs a data folder.

    Example
    -------
    >>> resolve(Utterance("a", "{data_root}/b/a.wav"), "/corpus")
    '/corpus/b/a.wav'
    """
    if utterance.wav.startswith(DATA_ROOT):
        if data_folder is None:
            where = f"utterance {utterance.id!r}: {utterance.wav}"
            raise ManifestError(f"{where} needs a data folder. Give data_folder (--data-folder).")
        return os.path.join(data_folder, utterance.wav.removeprefix(DATA_ROOT).lstrip("/\\"))
    return os.path.join(base if data_folder is None else data_folder, utterance.wav)


def _read(max_seconds: float | None, id: str, path: str, utterance: Utterance) -> Tensor | Fault:
    """Reads one clip or returns its fault; a function, not a closure, so that loader workers can be spawned."""
    try:
        return load_audio(path, utterance.start, utterance.stop, max_seconds=max_seconds)
    except AudioError as error:
        return Fault(id, str(error))
