"""Reads Hugging Face data sets (library ``datasets``) as rows: label numbers become names, sound becomes files.

Sound stored inside a data set is written to files once, byte for byte: nothing is decoded, so neither torchcodec nor
ffmpeg is needed. ``datasets`` is an optional dependency.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from speechbrain_xser.data.columns import choose_columns
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.formats import EXPECTED, kind_of
from speechbrain_xser.data.importing import Importer
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.tables import Row
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.versions import install_hint

SAVED = ("dataset_dict.json", "state.json")  # files that ``save_to_disk`` writes into a folder
STORED = (".parquet", ".arrow")


def open_datasets(path: str | os.PathLike) -> dict[str, object]:
    """Opens a data set on disk, as datasets by split name ("" without splits), without reading its sound.

    ``path`` is a folder of ``save_to_disk``, a folder of parquet or arrow files as on the Hub, or one such file.

    Raises
    ------
    ManifestError
        If ``datasets`` is not installed, or it cannot open the path.
    """
    if find_spec("datasets") is None:
        raise ManifestError(f"{path}: opening it needs the library datasets. Run: {install_hint('datasets')}")
    from datasets import Dataset, load_dataset, load_from_disk

    try:
        if any(Path(path, name).exists() for name in SAVED):
            opened = load_from_disk(os.fspath(path))
            return {"": opened} if isinstance(opened, Dataset) else dict(opened)
        if (suffix := Path(path).suffix.lower()) in STORED:
            return {"": load_dataset(suffix[1:], data_files=os.fspath(path), split="train", streaming=True)}
        return dict(load_dataset(os.fspath(path), streaming=True))
    except (OSError, ValueError) as error:  # raised by the library for missing, empty and foreign files
        raise ManifestError(
            f"{path}: cannot be opened as a data set ({error}). Expected a folder of save_to_disk, or parquet or arrow "
            "files."
        ) from error


def audio_columns(dataset) -> list[str]:
    """The audio columns of a data set.

    Example
    -------
    >>> from datasets import Audio, Dataset
    >>> dataset = Dataset.from_dict({"clip": ["a.wav"], "text": ["hello"]})
    >>> audio_columns(dataset.cast_column("clip", Audio(decode=False)))
    ['clip']
    """
    from datasets import Audio

    if dataset.features is None:
        raise ManifestError("The columns of the data set are unknown: give it features, or resolve them.")
    return [name for name, kind in dataset.features.items() if isinstance(kind, Audio)]


def dataset_columns(dataset, given: dict[str, str] | None = None) -> dict[str, str]:
    """As :func:`~speechbrain_xser.data.columns.choose_columns`; a data set's only audio column is its ``wav``.

    Example
    -------
    >>> from datasets import Audio, Dataset
    >>> dataset = Dataset.from_dict({"path": ["client/a"], "clip": ["a.wav"]})
    >>> dataset_columns(dataset.cast_column("clip", Audio(decode=False)))
    {'wav': 'clip'}
    """
    sounds = audio_columns(dataset)
    return choose_columns(dataset.features, ({"wav": sounds[0]} if len(sounds) == 1 else {}) | (given or {}))


def dataset_rows(dataset, audio_folder: str | os.PathLike) -> Iterator[Row]:
    """Yields the rows of one split, with sound as paths; sound inside the data set is written to the folder, once.

    Raises
    ------
    ManifestError
        If a clip is neither bytes nor a path, or its bytes are of no known kind of file.
    """
    from datasets import Audio, ClassLabel

    sounds = audio_columns(dataset)
    names = {name: kind for name, kind in dataset.features.items() if isinstance(kind, ClassLabel)}
    for sound in sounds:
        dataset = dataset.cast_column(sound, Audio(decode=False))
    for number, row in enumerate(dataset):
        files = {sound: _file(row[sound], number, Path(audio_folder)) for sound in sounds}
        yield row | files | {name: _name(kind, row[name]) for name, kind in names.items()}


def from_datasets(
    dataset,
    save_folder: str | os.PathLike,
    columns: dict[str, str] | None = None,
    corpus: str = "dataset",
    emotions: dict[str, str] | None = None,
) -> Iterator[Utterance | Dropped]:
    """Yields the utterances of a data set in memory or on disk.

    Arguments
    ---------
    dataset : datasets.Dataset or datasets.IterableDataset
        One split; its features must be known.
    save_folder : str or path-like
        Sound stored inside the data set is written to its folder ``audio``.
    columns : dict of str to str or None
        Column by field, for columns without a usual name.
    corpus : str
        Prefix of ids and speakers.
    emotions : dict of str to str or None
        Additional words for emotions.

    Returns
    -------
    iterable of Utterance or Dropped
        Without durations: :func:`~speechbrain_xser.data.durations.probe` fills them in.

    Raises
    ------
    ManifestError
        As :func:`dataset_rows` and ``Importer``.

    Example
    -------
    >>> from datasets import Dataset
    >>> dataset = Dataset.from_dict({"file": ["/a/1.wav"], "sentence": ["hello"], "emotion": ["joy"]})
    >>> [clip] = from_datasets(dataset, "unused")
    >>> clip.id, clip.wav, clip.transcript, clip.emotion
    ('dataset-1', '/a/1.wav', 'hello', 'happy')
    """
    importer = Importer(dataset_columns(dataset, columns), corpus, None, emotions=emotions)
    yield from importer.utterances(dataset_rows(dataset, Path(save_folder, "audio").resolve()))


def _name(kind, number: int | None) -> str | None:
    """A label's name; the library marks a hidden label by -1."""
    return None if number is None or number < 0 else kind.int2str(number)


def _file(sound: dict | None, number: int, folder: Path) -> str | None:
    """The path of a clip's file, written first if the data set holds its bytes."""
    if sound is None:
        return None
    content, path = sound["bytes"], sound["path"]
    if content is None:
        return os.path.abspath(path) if path else None
    suffix, kind = Path(path or "").suffix, kind_of(content)
    if not suffix and kind is None:
        raise ManifestError(f"Clip {number} of the data set begins with {content[:4]!r}, expected {EXPECTED}.")
    file = folder / f"{number:06}-{Path(path or 'clip').stem}{suffix or kind.suffix}"
    if not file.exists() or file.read_bytes() != content:
        folder.mkdir(parents=True, exist_ok=True)
        with moved_into_place(file, synced=False) as beside:  # an incomplete file is written again
            beside.write_bytes(content)
    return str(file)
