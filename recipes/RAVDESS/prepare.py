"""Prepares RAVDESS' speech (Livingstone & Russo, 2018, PLoS ONE 13(5)) as six folds, speaker-independent.

All labels are in the release's file names, ``03-01-05-02-01-02-24``: modality (03 sound alone), channel (01 speech),
emotion, intensity, statement, repetition, actor (odd numbers are men). Songs and videos are left out, and so is
``calm``, which is not one of our emotions, unless you count it as ``neutral``. Ages are not published for each actor
and stay null, like pitch, volume and speed.

    python recipes/RAVDESS/prepare.py --data_folder=corpora/RAVDESS --save_folder=results/RAVDESS
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.filename_corpora import named_clips, prepare_folds, within_vocabulary
from speechbrain_xser.data.folds import speaker_folds
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.errors import ManifestError

LICENCE = "CC BY-NC-SA 4.0: not for commercial use"
FIGURES = {  # 1,440 clips of speech without the 192 calm ones
    "clips": 1248,
    "emotions": {
        "angry": 192,
        "disgusted": 192,
        "fearful": 192,
        "happy": 192,
        "neutral": 96,
        "sad": 192,
        "surprised": 192,
    },
}

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgusted",
    "08": "surprised",
}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
GENDERS = {f"ravdess-{actor:02}": "male" if actor % 2 else "female" for actor in range(1, 25)}
NAME = re.compile(
    r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]-(?P<actor>\d\d)"
)
FOLDS = 6
# The first of ravdess-0, ravdess-1, ... with two women and two men as validation actors in every fold.
SEED = "ravdess-343"


def parse_name(stem: str) -> Utterance | Dropped:
    """Parses a file name of the release, without its suffix.

    Arguments
    ---------
    stem : str
        For example ``03-01-05-02-01-02-24``. The intensity is checked, but is not a field of a manifest.

    Returns
    -------
    Utterance or Dropped
        With the release's word for the emotion and an empty ``wav``; dropped if it is a song or a video.

    Raises
    ------
    ManifestError
        If a part is not one of the release's codes.

    Example
    -------
    >>> clip = parse_name("03-01-05-02-01-02-24")
    >>> clip.emotion, clip.speaker, clip.gender, clip.transcript
    ('angry', 'ravdess-24', 'female', 'Kids are talking by the door')
    >>> parse_name("03-02-05-02-01-02-24").reason
    'song or video'
    """
    match = NAME.fullmatch(stem)
    if match is None or f"ravdess-{match['actor']}" not in GENDERS:
        raise ManifestError(
            f"{stem!r} is no file name of RAVDESS, expected seven numbers such as 03-01-05-02-01-02-24: move it away."
        )
    if (match["modality"], match["channel"]) != ("03", "01"):
        return Dropped(f"ravdess-{stem}", "song or video")
    speaker = f"ravdess-{match['actor']}"
    return Utterance(
        id=f"ravdess-{stem}",
        wav="",
        speaker=speaker,
        transcript=STATEMENTS[match["statement"]],
        emotion=EMOTIONS[match["emotion"]],
        gender=GENDERS[speaker],
    )


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    calm: Literal["drop", "neutral"] = "drop",
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``fold_1/train.jsonl`` to ``fold_6/test.jsonl``; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        Folder that contains the actors' folders, at any depth, and optionally a ``manifest.csv``.
    save_folder : str | Path
        Where the manifests are written.
    calm : str
        "drop" leaves out the calm clips; "neutral" labels them neutral.
    annotate : bool
        Whether the annotator fills in pitch, volume, speed, intonation and emphasis; each manifest's training part
        decides what is low and high.
    wording : str
        Wording of the paragraphs: "plain" has three forms, "varied" hundreds, for an LLM that knows English.

    Returns
    -------
    dict[str, str]
        Path of each manifest by name, such as ``fold_1/train``.

    Raises
    ------
    ManifestError
        If the folder is not RAVDESS'.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    renamed = {"calm": "neutral"} if calm == "neutral" else {}
    clips = within_vocabulary(named_clips(data_folder, parse_name), renamed)
    return prepare_folds(
        data_folder,
        save_folder,
        clips,
        speaker_folds(GENDERS, FOLDS, SEED),
        SEED,
        finish=annotation(annotate, save_folder, data_folder, wording=wording),
        wording=wording,
    )


if __name__ == "__main__":
    prepare_command(prepare)
