"""Corpora whose file names carry all labels: finds their clips, checks them against a table, writes their folds.

A ``manifest.csv`` beside the clips (``id, path, speaker, gender, emotion, transcript, age``; other columns are ignored)
is not a second source: its rows have to agree with the names, and a clip that it lists and that is missing is a fault.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.durations import probe
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.folds import fold_manifests, leave_one_out
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.pipeline import DATA_ROOT, resolve
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.data.tables import Row, read_table
from speechbrain_xser.data.words import age_of
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.files import file_digest

LISTING = "manifest.csv"
COMPARED = ("id", "speaker", "gender", "emotion", "transcript")
COPY = "copies of a clip in another folder"


def named_clips(
    data_folder: str | os.PathLike, read_name: Callable[[str], Utterance | Dropped]
) -> list[Utterance | Dropped]:
    """The clips of a corpus, from their file names and, if there is one, its ``manifest.csv``.

    Arguments
    ---------
    data_folder : str or path-like
        Folder that contains the clips, at any depth.
    read_name : Callable
        Takes a file name without suffix and returns its utterance, with an empty ``wav``; raises a ``ManifestError``
        for a name that is not the corpus's.

    Returns
    -------
    list of Utterance or Dropped
        In the order of their paths, followed by clips that are only listed. The copy of an identical clip, as in
        downloads that contain a folder within itself, is dropped.

    Raises
    ------
    ManifestError
        If two files of one name differ, or a row of the table contradicts the file name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "x_sad.wav").touch()
    >>> named_clips(folder, lambda stem: Utterance(stem, "", speaker=stem[0], emotion=stem[2:]))[0].wav
    '{data_root}/x_sad.wav'
    """
    clips: dict[str, Utterance | Dropped] = {}
    copies = []
    for path in find_audio_below(data_folder):
        clip = _placed(read_name(path.stem), path.relative_to(data_folder).as_posix())
        if clip.id not in clips:
            clips[clip.id] = clip
        elif isinstance(clip, Utterance):
            copies.append(_copy(clip, clips[clip.id], data_folder))
    for row, where in _listed(data_folder):
        clip = _placed(read_name(Path(row["path"]).stem), row["path"])
        _check_row(row, clip, where)
        clips.setdefault(clip.id, clip)
    return [*clips.values(), *copies]


def within_vocabulary(
    clips: Iterable[Utterance | Dropped], renamed: dict[str, str] | None = None
) -> Iterator[Utterance | Dropped]:
    """Drops clips whose emotion is not one of ``EMOTIONS``, naming the emotion.

    Arguments
    ---------
    clips : iterable of Utterance or Dropped
        Clips with the corpus's words for emotions.
    renamed : dict of str to str or None
        The one of ``EMOTIONS`` that a word of the corpus stands for.

    Returns
    -------
    iterable of Utterance or Dropped

    Example
    -------
    >>> calm = Utterance("a", "a.wav", emotion="calm")
    >>> [dropped] = within_vocabulary([calm])
    >>> dropped.reason, next(within_vocabulary([calm], {"calm": "neutral"})).emotion
    ("emotion 'calm' is outside the vocabulary", 'neutral')
    """
    for clip in clips:
        if isinstance(clip, Utterance):
            clip = clip._replace(emotion=(renamed or {}).get(clip.emotion, clip.emotion))
            if clip.emotion not in (*EMOTIONS, None):
                clip = Dropped(clip.id, f"emotion {clip.emotion!r} is outside the vocabulary")
        yield clip


def prepare_folds(
    data_folder: str | os.PathLike,
    save_folder: str | os.PathLike,
    clips: Iterable[Utterance | Dropped],
    fold_of: dict[str, str],
    seed: str,
    valid_by: Literal["speaker", "random"] = "speaker",
    finish: Collection[Callable[[dict[str, str]], object]] = (),
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes the folds of a corpus whose clips are whole files; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str or path-like
        Replaces ``{data_root}`` in paths.
    save_folder : str or path-like
        Where the manifests are written.
    clips : iterable of Utterance or Dropped
        All clips of the corpus, without durations.
    fold_of : dict of str to str
        For each speaker, the fold that tests this speaker.
    seed : str
        Seed for drawing the validation part.
    valid_by : str
        As for :func:`leave_one_out`.
    finish, wording
        As for :func:`prepare_once`.

    Returns
    -------
    dict of str to str
        Path of each manifest by name, such as ``fold_1/train``.

    Raises
    ------
    ManifestError
        If a manifest would be empty.
    TrainingError
        If more than 1 % of the clips cannot be read.

    Example
    -------
    >>> import soundfile
    >>> folder = getfixture("tmp_path")
    >>> for name in "abcdef":
    ...     soundfile.write(folder / f"{name}.wav", [0.0] * 160, 16000)
    >>> clips = [Utterance(name, f"{{data_root}}/{name}.wav", speaker=name) for name in "abcdef"]
    >>> sorted(prepare_folds(folder, folder / "out", clips, dict(zip("abcdef", "112233")), seed="1"))[:3]
    ['fold_1/test', 'fold_1/train', 'fold_1/valid']
    """
    clips = list(clips)
    kept = [clip for clip in clips if isinstance(clip, Utterance)]
    files = [path for clip in kept if (path := Path(resolve(clip, data_folder))).exists()]
    return prepare_once(
        save_folder,
        {"clips": [list(clip) for clip in clips], "folds": fold_of, "seed": seed, "valid_by": valid_by},
        files,
        lambda: chain((c for c in clips if isinstance(c, Dropped)), probe(kept, data_folder, len(kept))),
        fold_manifests(sorted(set(fold_of.values()))),
        leave_one_out(kept, lambda clip: fold_of[clip.speaker], valid_by, seed=seed),
        finish,
        wording,
    )


def _placed(clip: Utterance | Dropped, below: str) -> Utterance | Dropped:
    return clip._replace(wav=f"{DATA_ROOT}/{below}") if isinstance(clip, Utterance) else clip


def _copy(clip: Utterance, first: Utterance, data_folder) -> Dropped:
    """The second file of a clip, dropped if it is identical."""
    paths = [Path(resolve(each, data_folder)) for each in (first, clip)]
    if file_digest(paths[0]) != file_digest(paths[1]):
        sizes = [path.stat().st_size for path in paths]
        raise ManifestError(
            f"{paths[0]} ({sizes[0]} bytes) and {paths[1]} ({sizes[1]} bytes) have the same name but differ: remove "
            "the one that is not from the release."
        )
    return Dropped(f"{clip.id} ({clip.wav})", COPY)


def _listed(data_folder) -> Iterator[tuple[Row, str]]:
    """The rows of manifest.csv with their places; none without the file."""
    path = Path(data_folder, LISTING)
    for number, row in enumerate(read_table(path) if path.exists() else [], start=2):
        if not row.get("path"):
            raise ManifestError(f"{path}, row {number}: no path, expected the columns id, path, speaker, emotion.")
        yield row, f"{path}, row {number}"


def _check_row(row: Row, clip: Utterance | Dropped, where: str) -> None:
    """Raises an error if a row contradicts the file name: the table then belongs to other files."""
    if isinstance(clip, Dropped):
        return
    stated = {field: row[field] for field in COMPARED if row.get(field)}
    if row.get("age") and clip.age:
        stated["age"] = age_of(row["age"])
    for field, found in stated.items():
        named = getattr(clip, field)
        if found != named:
            raise ManifestError(f"{where}: {field} is {found!r}, the file name says {named!r}. Correct the row.")
