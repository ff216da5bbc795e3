"""Prepares MELD (Poria et al., 2019, ACL) as manifests: the official split, with speech extracted from the videos once.

Reads the release's three tables and its mp4 files. File names repeat across splits, so ids contain the split, in
EmoBox's form: ``meld-dia0_utt0-dev``. The speech is written to ``save_folder/audio`` as 16 kHz mono FLAC: the centre
channel of six, the mean of two. A clip longer than ``max_seconds`` is cut to its beginning, by the ``stop`` in its
manifest line. Pitch, volume, speed and age are null, and so is gender except for the six main characters.

    python recipes/MELD/prepare.py --data_folder=corpora/MELD.Raw --save_folder=results/MELD
"""

from __future__ import annotations

import csv
import os
from functools import partial
from itertools import chain
from pathlib import Path

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.extraction import Extraction, Film
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.data.text_repair import plain_text
from speechbrain_xser.errors import ManifestError

LICENCE = "GPL-3.0 for the annotations; the clips are from a television series"
FIGURES = {  # the release's tables without the two broken clips
    "clips": 13706,
    "emotions": {
        "neutral": 6434,
        "happy": 2308,
        "surprised": 1636,
        "angry": 1607,
        "sad": 1002,
        "disgusted": 361,
        "fearful": 358,
    },
    "splits": {"train": 9988, "valid": 1108, "test": 2610},
}

SPLITS = {"train": "train", "valid": "dev", "test": "test"}  # the release's word for each
VIDEO_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
BROKEN = {"meld-dia125_utt3-train", "meld-dia110_utt7-dev"}  # no sound can be read from them in the release itself
EMOTIONS = {
    "neutral": "neutral",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "surprise": "surprised",
    "fear": "fearful",
    "disgust": "disgusted",
}
GENDERS = dict.fromkeys(("Chandler", "Joey", "Ross"), "male") | dict.fromkeys(("Monica", "Phoebe", "Rachel"), "female")
SEVERAL = {"All", "Both", "The Guys", "Her-Friends"}  # several people, like "Ross and Joey", so no speaker
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def find(data_folder: str | Path, name: str) -> Path:
    """A table or folder of the release, in the data folder or at most two folders below it.

    Raises
    ------
    ManifestError
        If it is not there.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "train" / "train_splits").mkdir(parents=True)
    >>> find(folder, "train_splits").relative_to(folder)
    PosixPath('train/train_splits')
    """
    for depth in ("", "*/", "*/*/"):
        if found := sorted(Path(data_folder).glob(depth + name)):
            return found[0]
    raise ManifestError(
        f"No {name} in {data_folder}, expected MELD's release: unpack MELD.Raw.tar.gz and the three archives in it."
    )


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of one of the release's tables.

    Raises
    ------
    ManifestError
        If it has other columns or is not UTF-8.

    Example
    -------
    >>> path = getfixture("tmp_path") / "dev_sent_emo.csv"
    >>> _ = path.write_text('Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\\n"Oh, no",Ross,fear,0,1\\n')
    >>> read_rows(path)[0]["Utterance"]
    'Oh, no'
    """
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{table}: byte {error.start} is not UTF-8, expected the release's own table.") from error
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise ManifestError(f"{table}: no column {', '.join(missing)}, expected the release's own table.")
    return rows


def parse_row(row: dict[str, str], split: str) -> Utterance:
    """The utterance of a row; its wav is the path below the folder of the extracted speech.

    Arguments
    ---------
    row : dict of str to str
        With at least ``COLUMNS``.
    split : str
        "train", "valid" or "test".

    Returns
    -------
    Utterance

    Raises
    ------
    ManifestError
        If the emotion is not one of MELD's seven.

    Example
    -------
    >>> found = parse_row(dict(zip(COLUMNS, ("It’s me", "Joey", "joy", "3", "12"))), "valid")
    >>> found.id, found.wav, found.speaker, found.gender, found.transcript, found.emotion
    ('meld-dia3_utt12-dev', 'dev/dia3_utt12.flac', 'meld-Joey', 'male', "It's me", 'happy')
    """
    release_split, name = SPLITS[split], f"dia{int(row['Dialogue_ID'])}_utt{int(row['Utterance_ID'])}"
    id, speaker = f"meld-{name}-{release_split}", plain_text(row["Speaker"])
    if row["Emotion"] not in EMOTIONS:
        raise ManifestError(f"{id}: emotion {row['Emotion']!r}, expected one of {', '.join(EMOTIONS)}.")
    several = speaker in SEVERAL or " and " in speaker
    return Utterance(
        id=id,
        wav=f"{release_split}/{name}.flac",
        speaker=None if several else f"meld-{speaker}",
        transcript=plain_text(row["Utterance"]),
        emotion=EMOTIONS[row["Emotion"]],
        gender=GENDERS.get(speaker),
        split=split,
    )


def list_films(data_folder: str | Path, audio_folder: Path) -> list[Film]:
    """Every row of the three tables with its video; other files beside the videos are ignored."""
    films = []
    for split, release_split in SPLITS.items():
        videos = find(data_folder, VIDEO_FOLDERS[release_split])
        for row in read_rows(find(data_folder, f"{release_split}_sent_emo.csv")):
            utterance = parse_row(row, split)
            flac = audio_folder / utterance.wav
            films.append(Film(utterance._replace(wav=str(flac)), videos / f"{flac.stem}.mp4"))
    return films


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    max_seconds: float | None = 30.0,
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``train``, ``valid`` and ``test.jsonl``; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        MELD.Raw with its archives unpacked: tables and folders of videos, at most two folders below.
    save_folder : str | Path
        Where the manifests and the speech are written.
    max_seconds : float | None
        Longer clips are cut to this length; None for no limit.
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
        If the folder is not MELD's.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    audio_folder = Path(os.path.abspath(save_folder), "audio")
    films = list_films(data_folder, audio_folder)
    broken = [Dropped(film.utterance.id, "broken in the release") for film in films if film.utterance.id in BROKEN]
    extraction = Extraction([film for film in films if film.utterance.id not in BROKEN], max_seconds)
    return prepare_once(
        save_folder,
        {"max_seconds": max_seconds, "rows": [list(film.utterance) for film in films]},
        [film.video for film in films if film.video.exists()],
        lambda: chain(broken, extraction),
        finish=[
            partial(extraction.note, save_folder),
            *annotation(annotate, save_folder, data_folder, wording=wording),
        ],
        wording=wording,
    )


if __name__ == "__main__":
    prepare_command(prepare)
