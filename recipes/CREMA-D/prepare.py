"""Prepares CREMA-D (Cao et al., 2014, IEEE TAC 5(4)) as manifests, speaker-independent.

Reads ``data_folder/AudioWAV`` with the release's own file names, ``1001_IEO_ANG_HI.wav``: actor, sentence, emotion,
level. Age and sex come from the release's ``VideoDemographics.csv`` or from a ``manifest.csv``; without them they are
null. Pitch, volume and speed are not labelled, so they are null, unless the annotator fills them in (``--annotate``).
Split and folds are by actor, over all 91 actors, including those without clips (see :data:`SPLIT_SEED`).

    python recipes/CREMA-D/prepare.py --data_folder=corpora/CREMA-D --save_folder=results/CREMA-D
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.durations import probe
from speechbrain_xser.data.folds import fold_manifests, leave_one_out, speaker_folds
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.preparation import by_split, find_audio, prepare_once
from speechbrain_xser.data.ratings import write_ratings
from speechbrain_xser.data.speakers import age_band, split_speakers
from speechbrain_xser.errors import ManifestError

LICENCE = "Open Database License 1.0, contents under the Database Contents License 1.0"
FIGURES = {  # the release without the one silent clip
    "clips": 7441,
    "emotions": {"angry": 1271, "disgusted": 1271, "fearful": 1271, "happy": 1271, "neutral": 1087, "sad": 1270},
}

ACTORS = tuple(str(actor) for actor in range(1001, 1092))
SPLIT_SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}  # 64, 9 and 18 of 91 actors
# The first of crema-d-0, crema-d-1, ... with equally many women and men, within one, in validation and in test.
SPLIT_SEED = "crema-d-1"
FOLDS = 5
EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgusted",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
VOTES = {"A": "Anger", "D": "Disgust", "F": "Fear", "H": "Happiness", "N": "Neutral", "S": "Sadness"}
VOICE_ALONE = "1"  # first digit of a row of votes; 2 is the face, 3 both
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}  # acted intensity; only for sentence IEO
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
SILENT_CLIPS = {"1076_MTI_SAD_XX"}  # digital silence in the release itself
NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>LO|MD|HI|XX?)")


class Clip(NamedTuple):
    """The content of a file name.

    Example
    -------
    >>> parse_name("1001_IEO_ANG_HI")
    Clip(actor='1001', transcript="It's eleven o'clock", emotion='angry', level='high')
    """

    actor: str  # one of ACTORS
    transcript: str  # one of SENTENCES' values
    emotion: str  # one of EMOTIONS' values
    level: str | None  # low, medium or high; None for the release's XX


class Actor(NamedTuple):
    """Facts about an actor."""

    gender: str | None  # male, female
    age: str | None  # SpeechCraft's band


def parse_name(stem: str) -> Clip:
    """Parses a file name of the release, without its suffix.

    Arguments
    ---------
    stem : str
        For example ``1001_IEO_ANG_HI``; the release's one typo, a final ``X`` for ``XX``, is accepted.

    Returns
    -------
    Clip

    Raises
    ------
    ManifestError
        If a part is not one of the release's codes.

    Example
    -------
    >>> parse_name("1040_ITH_SAD_X").level is None
    True
    """
    match = NAME.fullmatch(stem)
    if match is None or not (
        match["actor"] in ACTORS and match["sentence"] in SENTENCES and match["emotion"] in EMOTIONS
    ):
        raise ManifestError(
            f"{stem!r} is no file name of CREMA-D, expected ACTOR_SENTENCE_EMOTION_LEVEL such as 1001_IEO_ANG_HI: "
            "move it out of AudioWAV."
        )
    level = LEVELS.get(match["level"])
    return Clip(match["actor"], SENTENCES[match["sentence"]], EMOTIONS[match["emotion"]], level)


def _actor(row: dict[str, str]) -> tuple[str, Actor]:
    """One row of VideoDemographics.csv (ActorID, Age, Sex) or of manifest.csv (speaker, age, gender)."""
    name = row.get("ActorID") or row.get("speaker", "").rpartition("-")[2]
    years = row.get("Age") or row.get("age")
    gender = (row.get("Sex") or row.get("gender") or "").lower()
    return name, Actor(gender or None, age_band(float(years) if years else None))


def find_demographics(data_folder: str | Path) -> Path | None:
    """The table of actors in a corpus folder, if there is one."""
    names = ("VideoDemographics.csv", "manifest.csv")
    return next((Path(data_folder, name) for name in names if Path(data_folder, name).exists()), None)


def read_actors(table: Path | None) -> dict[str, Actor]:
    """Age band and gender by actor, empty without a table.

    Raises
    ------
    ManifestError
        If the table is missing or has other columns.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "t.csv").write_text('"ActorID","Age","Sex"\\n1001,51,"Male"\\n')
    ...     read_actors(Path(folder, "t.csv"))
    {'1001': Actor(gender='male', age='middle-aged')}
    """
    if table is None:
        return {}
    if not table.exists():
        raise ManifestError(f"No table {table}: leave demographics out, or name the release's VideoDemographics.csv.")
    with open(table, encoding="utf-8-sig", newline="") as file:
        actors = dict(_actor(row) for row in csv.DictReader(file))
    if not set(actors) <= set(ACTORS):
        unknown = sorted(set(actors) - set(ACTORS))[:3]
        raise ManifestError(f"{table} names actors {unknown}, expected 1001 to 1091: is it CREMA-D's table?")
    return actors


def find_votes(data_folder: str | Path) -> Path | None:
    """The listeners' table in a corpus folder, at the release's place or beside AudioWAV."""
    places = (Path(data_folder, "processedResults"), Path(data_folder))
    return next((place / "tabulatedVotes.csv" for place in places if (place / "tabulatedVotes.csv").exists()), None)


def read_listeners(table: Path) -> list[dict]:
    """What the listeners to the voice alone called each clip.

    Arguments
    ---------
    table : Path
        The release's ``tabulatedVotes.csv``.

    Returns
    -------
    list of dict
        ``id``, and ``votes`` by running number, because the table does not identify the listeners.

    Raises
    ------
    ManifestError
        If the table is missing or has other columns.

    Example
    -------
    >>> table = getfixture("tmp_path") / "tabulatedVotes.csv"
    >>> rows = ['"","A","D","F","H","N","S","fileName"', '"100001",0,0,0,1,1,0,"1001_IEO_NEU_XX"']
    >>> _ = table.write_text("\\n".join([*rows, '"200001",9,0,0,0,0,0,"1001_IEO_NEU_XX"']))
    >>> read_listeners(table)
    [{'id': 'cremad-1001_IEO_NEU_XX', 'votes': {'1': ['Happiness'], '2': ['Neutral']}}]
    """
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row[""].startswith(VOICE_ALONE)]
        words = [[word for letter, word in VOTES.items() for _ in range(int(row[letter]))] for row in rows]
        names = [row["fileName"] for row in rows]
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise ManifestError(f"{table}: {error!r}, expected CREMA-D's processedResults/tabulatedVotes.csv.") from error
    return [
        {"id": f"cremad-{name}", "votes": {str(number): [word] for number, word in enumerate(given, start=1)}}
        for name, given in zip(names, words, strict=True)
    ]


def _utterance(stem: str, path: Path, actors: dict[str, Actor], sides: dict[str, str]) -> Utterance:
    clip = parse_name(stem)
    actor = actors.get(clip.actor, Actor(None, None))
    return Utterance(
        id=f"cremad-{stem}",
        wav=f"{{data_root}}/{path.parent.name}/{path.name}",
        speaker=f"cremad-{clip.actor}",
        transcript=clip.transcript,
        emotion=clip.emotion,
        gender=actor.gender,
        age=actor.age,
        split=sides[clip.actor],
    )


def _places(utterances: list[Utterance]) -> Callable[[Utterance], tuple[str, ...]]:
    """The split that results are reported on, and the part in each fold."""
    fold_of = speaker_folds({f"cremad-{actor}": None for actor in ACTORS}, FOLDS, SPLIT_SEED)
    fold_places = leave_one_out(utterances, lambda clip: fold_of[clip.speaker])
    return lambda clip: by_split(clip) + fold_places(clip)


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    demographics: str | None = None,
    votes: str | None = None,
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``train``, ``valid`` and ``test.jsonl``, and five folds; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        Folder that contains AudioWAV.
    save_folder : str | Path
        Where the manifests are written.
    demographics : str | None
        The table of actors; by default VideoDemographics.csv or manifest.csv in the data folder.
    votes : str | None
        The listeners' table, for ``ratings.jsonl``; by default processedResults/tabulatedVotes.csv in the data folder.
    annotate : bool
        Whether the annotator fills in pitch, volume, speed, intonation and emphasis; each manifest's training part
        decides what is low and high.
    wording : str
        Wording of the paragraphs: "plain" has three forms, "varied" hundreds, for an LLM that knows English.

    Returns
    -------
    dict[str, str]
        Path of the manifest by split, folds as ``fold_1/train``.

    Raises
    ------
    ManifestError
        If the folder is not CREMA-D's.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    clips = {stem: path for stem, path in find_audio(Path(data_folder, "AudioWAV")).items() if stem not in SILENT_CLIPS}
    actors = read_actors(Path(demographics) if demographics else find_demographics(data_folder))
    table = Path(votes) if votes else find_votes(data_folder)
    heard = read_listeners(table) if table else []
    sides = split_speakers(ACTORS, SPLIT_SHARES, SPLIT_SEED)
    utterances = [_utterance(stem, path, actors, sides) for stem, path in clips.items()]
    return prepare_once(
        save_folder,
        {"shares": SPLIT_SHARES, "actors": {name: list(a) for name, a in actors.items()}, "votes": heard},
        clips.values(),
        lambda: probe(utterances, data_folder, len(utterances)),
        (*SPLIT_SHARES, *fold_manifests(map(str, range(1, FOLDS + 1)))),
        _places(utterances),
        [
            *([lambda _: write_ratings(save_folder, heard)] if heard else []),
            *annotation(annotate, save_folder, data_folder, wording=wording),
        ],
        wording,
    )


if __name__ == "__main__":
    prepare_command(prepare)
