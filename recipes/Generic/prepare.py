"""Prepares your own clips: a CSV, TSV, JSON or JSONL table, a Hugging Face data set on disk, or folders of sound.

Columns are found by their usual names or named by ``--columns``, labels are mapped to our words, clips are measured,
and what cannot be used is counted and named. ``README.md`` beside this file has an example of each.

    python recipes/Generic/prepare.py --data_folder=clips --save_folder=results/mine --columns="emotion=mood"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.collection import Collection, open_collection
from speechbrain_xser.data.columns import parse_pairs
from speechbrain_xser.data.durations import probe
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.importing import Importer, fitted
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.data.speakers import split_speakers
from speechbrain_xser.errors import ManifestError

SPLITS = ("train", "valid", "test")
SHARES = dict(zip(SPLITS, (0.7, 0.1, 0.2), strict=True))  # of the speakers


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    table: str | None = None,
    columns: str | None = None,
    emotions: str | None = None,
    corpus: str | None = None,
    split: Literal["auto", "column", "speaker", "train", "valid", "test"] = "auto",
    seed: str = "1",
    language: str = "en",
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``train``, ``valid`` and ``test.jsonl``, or those that exist; a second call changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        Folder of the clips, or of a Hugging Face data set.
    save_folder : str | Path
        Where the manifests are written, and the sound stored inside a data set.
    table : str | None
        The table, or a parquet or arrow file; by default the only one in the data folder.
    columns : str | None
        Column of each field, such as "wav=path,transcript=text,emotion=label".
    emotions : str | None
        Meaning of words for emotions, such as "Freude=happy,calm=neutral".
    corpus : str | None
        Prefix of ids and speakers; by default the data folder's name.
    split : str
        "column": as the table says; "speaker": 70, 10 and 20 % of the speakers; "train", "valid" or "test": all clips
        in one; "auto": the table's column if it has one, otherwise all clips in train.
    seed : str
        Seed for the split of speakers.
    language : str
        Language of the transcripts, as eSpeak NG names its voices; only used by the annotator.
    annotate : bool
        Whether the annotator fills in pitch, volume, speed, intonation and emphasis, and missing genders; the training
        part decides what is low and high.
    wording : str
        Wording of the paragraphs: "plain" has three forms, "varied" hundreds, for an LLM that knows English.

    Returns
    -------
    dict[str, str]
        Path of each split's manifest.

    Raises
    ------
    ManifestError
        If nothing is found, a column is missing, or no clip can be used.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    collection = open_collection(data_folder, table, parse_pairs(columns))
    corpus = corpus or Path(data_folder).resolve().name
    importer = Importer(collection.columns, corpus, data_folder, collection.folder, parse_pairs(emotions))
    splits, side = _sides(split, collection, importer, seed)
    return prepare_once(
        save_folder,
        {
            "columns": collection.columns,
            "emotions": emotions,
            "corpus": corpus,
            "split": split,
            "seed": seed,
            "language": language,
        },
        [*collection.files, *_sound_files(importer, collection, data_folder)],
        lambda: _usable(_clips(importer, collection.rows(Path(save_folder, "audio").resolve()), side, data_folder)),
        splits,
        finish=[
            lambda _: importer.account(save_folder),
            *annotation(annotate, save_folder, data_folder, language, wording),
        ],
        wording=wording,
    )


def _sides(
    split: str, collection: Collection, importer: Importer, seed: str
) -> tuple[list[str], Callable[[Utterance], str | None]]:
    """The manifests to write, and a function that gives the one for a clip."""
    if split == "auto":
        split = "column" if "split" in collection.columns else "train"
    if split == "column":
        found = {importer.split(row) for row in collection.cells}
        return [name for name in SPLITS if name in found], lambda clip: clip.split
    if split == "speaker":
        sides = split_speakers(filter(None, map(importer.speaker, collection.cells)), SHARES, seed)
        if set(sides.values()) != set(SPLITS):
            raise ManifestError(f"{len(sides)} speakers are too few for train, valid and test: choose another split.")
        return list(SPLITS), lambda clip: sides.get(clip.speaker)
    return [split], lambda clip: split


def _sound_files(importer: Importer, collection: Collection, data_folder: str | Path) -> Iterator[Path]:
    """The clips that are files of their own before anything is prepared."""
    for clip in importer.utterances(collection.cells):
        if isinstance(clip, Utterance) and (path := Path(resolve(clip, data_folder))).exists():
            yield path


def _clips(
    importer: Importer, rows: Iterable[dict], side: Callable[[Utterance], str | None], data_folder: str | Path
) -> Iterator[Utterance | Dropped]:
    """Yields every row as a clip with its length and split, or as dropped."""
    dropped: list[Dropped] = []

    def kept() -> Iterator[Utterance]:
        for clip in importer.utterances(rows):
            if isinstance(clip, Utterance) and side(clip) is None:
                clip = Dropped(clip.id, "no split or speaker that says which part it is in")
            if isinstance(clip, Dropped):
                dropped.append(clip)
            else:
                yield clip._replace(split=side(clip))

    yield from map(fitted, probe(kept(), data_folder))
    yield from dropped


def _usable(clips: Iterable[Utterance | Dropped]) -> Iterator[Utterance | Dropped]:
    """Yields the clips, or raises an error that says why none can be used."""
    kept, reasons = 0, Counter()
    for clip in clips:
        kept += isinstance(clip, Utterance)
        reasons.update([clip.reason] if isinstance(clip, Dropped) else [])
        yield clip
    if not kept:
        why = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        raise ManifestError(f"Not one clip can be used: {why}. Name other columns, or what the words mean by emotions.")


if __name__ == "__main__":
    prepare_command(prepare)
