"""Prepares the Toronto Emotional Speech Set (Pichora-Fuller & Dupuis, 2020) as two folds, one for each speaker.

All labels are in the release's file names, ``OAF_back_angry``: speaker (an older and a younger woman), word, emotion
(``ps`` is a pleasant surprise). The names of a copy that numbers its clips, ``289testOAF_such_fear7``, and the one typo
of the release, ``OA_bite_neutral``, are accepted. With two speakers there is no third for validation: validation clips
are drawn from the training speaker, so a good score on them says nothing about another voice.

    python recipes/TESS/prepare.py --data_folder=corpora/TESS --save_folder=results/TESS
"""

from __future__ import annotations

import re
from pathlib import Path

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.filename_corpora import named_clips, prepare_folds
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.speakers import age_band
from speechbrain_xser.errors import ManifestError

LICENCE = "CC BY-NC-ND 4.0: not for commercial use"
FIGURES = {
    "clips": 2800,
    "emotions": {
        "angry": 400,
        "disgusted": 400,
        "fearful": 400,
        "happy": 400,
        "neutral": 400,
        "sad": 400,
        "surprised": 400,
    },
}

EMOTIONS = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}
AGES_YEARS = {"OAF": 64, "YAF": 26}
FOLD_OF = {"tess-OAF": "1", "tess-YAF": "2"}  # the fold that tests a speaker
SEED = "tess"
NAME = re.compile(rf"(?:\d+test)?(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(EMOTIONS)})\d*")


def parse_name(stem: str) -> Utterance:
    """Parses a file name of the release, without its suffix.

    Arguments
    ---------
    stem : str
        For example ``OAF_back_angry``.

    Returns
    -------
    Utterance
        With an empty ``wav``.

    Raises
    ------
    ManifestError
        If a part is not one of the release's codes.

    Example
    -------
    >>> clip = parse_name("289testOAF_such_fear7")
    >>> clip.id, clip.transcript, clip.emotion, clip.age
    ('tess-OAF_such_fear', 'Say the word such', 'fearful', 'elderly')
    >>> parse_name("OA_bite_neutral").speaker
    'tess-OAF'
    """
    match = NAME.fullmatch(stem)
    if match is None:
        raise ManifestError(
            f"{stem!r} is no file name of TESS, expected speaker, word, emotion such as OAF_back_angry: move it away."
        )
    speaker = {"OA": "OAF"}.get(match["speaker"], match["speaker"])
    return Utterance(
        id=f"tess-{speaker}_{match['word']}_{match['emotion']}",
        wav="",
        speaker=f"tess-{speaker}",
        transcript=f"Say the word {match['word']}",
        emotion=EMOTIONS[match["emotion"]],
        gender="female",
        age=age_band(AGES_YEARS[speaker]),
    )


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``fold_1/train.jsonl`` to ``fold_2/test.jsonl``; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        Folder of the clips, at any depth, and optionally a ``manifest.csv``.
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
        If the folder is not TESS'.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    clips = named_clips(data_folder, parse_name)
    return prepare_folds(
        data_folder,
        save_folder,
        clips,
        FOLD_OF,
        SEED,
        valid_by="random",
        finish=annotation(annotate, save_folder, data_folder, wording=wording),
        wording=wording,
    )


if __name__ == "__main__":
    prepare_command(prepare)
