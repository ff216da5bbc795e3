"""Prepares MELD (Poria et al., 2019, ACL) as manifests: the official split, the speech taken out of the videos once.

Reads the release's three tables and its mp4 files. File names repeat from split to split, so ids carry the split, in
EmoBox's form: ``meld-dia0_utt0-dev``. The speech goes to ``save_folder/audio`` as 16 kHz mono FLAC: the centre of a
clip of six channels, the mean of two. A clip longer than ``max_seconds`` is cut to its beginning, by the ``stop`` of
its manifest line. Pitch, volume, speed and age are null, and gender but for the six main characters.

    python recipes/MELD/prepare.py --data_folder=corpora/MELD.Raw --save_folder=results/MELD
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.data.command import prepare_command
from speechbrain_xser.data.dropped import Dropped
from speechbrain_xser.data.extraction import Extracted, extract_voice
from speechbrain_xser.data.files import written_beside
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.parallel import in_parallel
from speechbrain_xser.data.preparation import SUMMARY, prepare_once
from speechbrain_xser.data.probe import UNREADABLE
from speechbrain_xser.data.text import plain_text
from speechbrain_xser.errors import AudioError, ManifestError

logger = logging.getLogger(__name__)

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
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


class Clip(NamedTuple):
    """A row of a table, and where its video and its speech lie."""

    utterance: Utterance
    video: Path  # mp4
    flac: Path


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
        If it has other columns or is no UTF-8.

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
    """What a row says; the wav is the clip's path below the folder of the extracted speech.

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
        If the emotion is none of MELD's seven.

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
    several = speaker == "All" or " and " in speaker
    return Utterance(
        id=id,
        wav=f"{release_split}/{name}.flac",
        speaker=None if several else f"meld-{speaker}",
        transcript=plain_text(row["Utterance"]),
        emotion=EMOTIONS[row["Emotion"]],
        gender=GENDERS.get(speaker),
        split=split,
    )


def list_clips(data_folder: str | Path, audio_folder: Path) -> list[Clip]:
    """Every row of the three tables with its video; whatever else lies beside the videos is not looked at."""
    clips = []
    for split, release_split in SPLITS.items():
        videos = find(data_folder, VIDEO_FOLDERS[release_split])
        for row in read_rows(find(data_folder, f"{release_split}_sent_emo.csv")):
            utterance = parse_row(row, split)
            flac = audio_folder / utterance.wav
            clips.append(Clip(utterance._replace(wav=str(flac)), videos / f"{flac.stem}.mp4", flac))
    return clips


class Extraction:
    """Takes the speech out of the clips, and keeps account of the time it took and of what is cut.

    Arguments
    ---------
    clips : list of Clip
        What is to be extracted.
    max_seconds : float or None
        Longest clip.
    """

    def __init__(self, clips: list[Clip], max_seconds: float | None):
        self.clips, self.max_seconds = clips, max_seconds
        self.cut: dict[str, float] = {}  # seconds before the cut, by id
        self.cpu_seconds: list[float] = []  # of every clip that was decoded

    def __iter__(self) -> Iterator[Utterance | Dropped]:
        yield from (Dropped(clip.utterance.id, "broken in the release") for clip in self.clips if _is_broken(clip))
        whole = [clip for clip in self.clips if not _is_broken(clip)]
        found = in_parallel(_extract, whole, "extracting speech", len(whole), threads=True)
        for clip, extracted in zip(whole, found, strict=True):
            yield extracted if isinstance(extracted, Dropped) else self._counted(clip.utterance, extracted)

    def _counted(self, utterance: Utterance, extracted: Extracted) -> Utterance:
        if extracted.cpu_seconds is not None:
            self.cpu_seconds.append(extracted.cpu_seconds)
        if self.max_seconds is None or extracted.seconds <= self.max_seconds:
            return utterance._replace(duration=round(extracted.seconds, 4))
        self.cut[utterance.id] = round(extracted.seconds, 2)
        logger.warning("%s: %.1f s, cut to the first %g s", utterance.id, extracted.seconds, self.max_seconds)
        return utterance._replace(start=0.0, stop=self.max_seconds, duration=self.max_seconds)

    def note(self, save_folder: str | Path, paths: dict[str, str]) -> None:
        """Adds both accounts to the summary's JSON."""
        path, count = Path(save_folder, SUMMARY), len(self.cpu_seconds)
        summary = json.loads(path.read_text(encoding="utf-8"))
        mean = 1000 * sum(self.cpu_seconds) / count if count else None
        summary["cut"] = {"max_seconds": self.max_seconds, "clips": len(self.cut), "seconds": self.cut}
        summary["extraction"] = {"clips": count, "cpu_milliseconds_per_clip": mean and round(mean, 2)}
        with written_beside(path) as file:
            json.dump(summary, file, indent=1, ensure_ascii=False)


def _is_broken(clip: Clip) -> bool:
    return clip.utterance.id in BROKEN


def _extract(clip: Clip) -> Extracted | Dropped:
    try:
        return extract_voice(clip.video, clip.flac)
    except AudioError as error:
        return Dropped(clip.utterance.id, UNREADABLE, str(error), fault=True)


def prepare(data_folder: str | Path, save_folder: str | Path, max_seconds: float | None = 30.0) -> dict[str, str]:
    """Writes ``train``, ``valid`` and ``test.jsonl``; done again, it changes nothing and is quick.

    Arguments
    ---------
    data_folder : str | Path
        MELD.Raw with its archives unpacked: tables and folders of videos, at most two folders below.
    save_folder : str | Path
        Where the manifests go, and the speech.
    max_seconds : float | None
        A longer clip is cut to its first so many seconds; None for no cut.

    Returns
    -------
    dict[str, str]
        Path of the manifest by split.

    Raises
    ------
    ManifestError
        If the folder is not MELD's.
    TrainingError
        If more than one clip in a hundred cannot be read; fewer are left out with a warning.
    """
    audio_folder = Path(os.path.abspath(save_folder), "audio")
    clips = list_clips(data_folder, audio_folder)
    extraction = Extraction(clips, max_seconds)
    return prepare_once(
        save_folder,
        {"audio": str(audio_folder), "max_seconds": max_seconds, "rows": [list(clip.utterance) for clip in clips]},
        [clip.video for clip in clips if clip.video.exists()],
        lambda: extraction,
        finish=partial(extraction.note, save_folder),
    )


if __name__ == "__main__":
    prepare_command(prepare)
