"""Prepares the Berlin Database of Emotional Speech (Burkhardt et al., 2005, Interspeech) as five folds.

All labels are in the release's file names, ``03a01Fa``: speaker, sentence, the emotion's German letter, version.
Speakers' ages and genders and the ten German sentences are the release's. Boredom is not one of our emotions and is
left out. Each fold tests a woman and a man who are not in its training part. Pitch, volume and speed are null: they are
not labelled.

    python recipes/EmoDB/prepare.py --data_folder=corpora/EmoDB --save_folder=results/EmoDB
"""

from __future__ import annotations

import re
from pathlib import Path

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.filename_corpora import named_clips, prepare_folds, within_vocabulary
from speechbrain_xser.data.folds import speaker_folds
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.speakers import age_band
from speechbrain_xser.errors import ManifestError

LICENCE = "CC0 1.0"
FIGURES = {  # 535 clips (Burkhardt et al., 2005) without the 81 of boredom
    "clips": 454,
    "emotions": {"angry": 127, "disgusted": 46, "fearful": 69, "happy": 71, "neutral": 79, "sad": 62},
}

EMOTIONS = {
    "W": "angry",  # Wut
    "L": "bored",  # Langeweile
    "E": "disgusted",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "N": "neutral",
}
SPEAKERS = {  # gender, age in years
    "03": ("male", 31),
    "08": ("female", 34),
    "09": ("female", 21),
    "10": ("male", 32),
    "11": ("male", 26),
    "12": ("male", 30),
    "13": ("female", 32),
    "14": ("female", 35),
    "15": ("male", 25),
    "16": ("female", 31),
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]")
FOLDS = 5
# The first of emodb-0, emodb-1, ... with a woman and a man as validation speakers in every fold.
SEED = "emodb-9"


def parse_name(stem: str) -> Utterance:
    """Parses a file name of the release, without its suffix.

    Arguments
    ---------
    stem : str
        For example ``03a01Fa``.

    Returns
    -------
    Utterance
        With the release's emotion, including boredom, and an empty ``wav``.

    Raises
    ------
    ManifestError
        If a part is not one of the release's codes.

    Example
    -------
    >>> clip = parse_name("16b10Lb")
    >>> clip.emotion, clip.gender, clip.age, clip.transcript
    ('bored', 'female', 'youth adult', 'Die wird auf dem Platz sein, wo wir sie immer hinlegen.')
    """
    match = NAME.fullmatch(stem)
    if match is None or match["speaker"] not in SPEAKERS or match["sentence"] not in SENTENCES:
        raise ManifestError(
            f"{stem!r} is no file name of EmoDB, expected speaker, sentence, emotion and version such as 03a01Fa: move "
            "it away."
        )
    gender, years = SPEAKERS[match["speaker"]]
    return Utterance(
        id=f"emodb-{stem}",
        wav="",
        speaker=f"emodb-{match['speaker']}",
        transcript=SENTENCES[match["sentence"]],
        emotion=EMOTIONS[match["emotion"]],
        gender=gender,
        age=age_band(years),
    )


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``fold_1/train.jsonl`` to ``fold_5/test.jsonl``; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        Folder that contains ``wav`` or the clips themselves, and optionally a ``manifest.csv``.
    save_folder : str | Path
        Where the manifests are written.
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
        If the folder is not EmoDB's.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    genders = {f"emodb-{name}": gender for name, (gender, _) in SPEAKERS.items()}
    clips = within_vocabulary(named_clips(data_folder, parse_name))
    return prepare_folds(
        data_folder,
        save_folder,
        clips,
        speaker_folds(genders, FOLDS, SEED),
        SEED,
        finish=annotation(annotate, save_folder, data_folder, "de", wording),
        wording=wording,
    )


if __name__ == "__main__":
    prepare_command(prepare)
