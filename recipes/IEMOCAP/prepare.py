"""Prepares IEMOCAP (Busso et al., 2008, LREV 42(4)) as five leave-one-session-out folds of four emotions.

Reads the release's own folders: ``Session1..5/dialog/EmoEvaluation/*.txt`` for labels and raters,
``dialog/transcriptions/*.txt`` for the words, ``sentences/wav/<dialog>/*.wav`` for the sound. Excited is merged into
happy; clips with other labels are left out. Raters' votes are written to ``ratings.jsonl`` beside the manifests.

    python recipes/IEMOCAP/prepare.py --data_folder=corpora/IEMOCAP_full_release --save_folder=results/IEMOCAP
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.durations import probe
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.folds import fold_manifests, leave_one_out
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.data.ratings import write_ratings
from speechbrain_xser.errors import ManifestError

LICENCE = "University of Southern California, for research, on request"
# Four classes, excited merged into happy; EmoBox and s3prl list the same clips.
FIGURES = {"clips": 5531, "emotions": {"neutral": 1708, "happy": 1636, "angry": 1103, "sad": 1084}}
FOLDS = 5  # one session each

SESSIONS = ("1", "2", "3", "4", "5")
EMOTIONS = {"neu": "neutral", "hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad"}
OTHERS = ("fru", "fea", "sur", "dis", "oth", "xxx")  # xxx: the raters had no majority
GENDERS = {"F": "female", "M": "male"}
TURN = re.compile(
    r"\[[\d.]+ - [\d.]+\]\t(?P<turn>\S+)\t(?P<emotion>[a-z]{3})\t\[(?P<v>[\d.]+), (?P<a>[\d.]+), (?P<d>[\d.]+)\]"
)
VOTE = re.compile(r"(?P<rater>C-\w+):\t(?P<words>[^\t(]*)")
SAID = re.compile(r"(?P<turn>Ses\d\d[FM]_\S+) \[[\d.]+-[\d.]+\]: ?(?P<words>.*)")
NAME = re.compile(r"Ses0(?P<session>\d)[FM]_.+_(?P<speaker>[FM])\w?\d+")


class Turn(NamedTuple):
    """One turn as the raters labelled it.

    Example
    -------
    >>> line = "[6.2901 - 8.2357]\\tSes01F_impro01_F000\\tneu\\t[2.5000, 2.5000, 2.5000]\\n"
    >>> [turn] = read_turns(line + "C-E2:\\tNeutral;\\t()\\nC-F1:\\tNeutral; Other;\\t(a, b)\\n")
    >>> turn.emotion, turn.votes
    ('neu', {'C-E2': ['Neutral'], 'C-F1': ['Neutral', 'Other']})
    """

    name: str  # such as Ses01F_impro01_F000
    emotion: str  # the release's code
    valence: float  # 1 to 5
    activation: float
    dominance: float
    votes: dict[str, list[str]]  # each rater's words


def read_turns(text: str) -> list[Turn]:
    """Parses the evaluation of one dialog.

    Arguments
    ---------
    text : str
        A file of dialog/EmoEvaluation.

    Returns
    -------
    list of Turn
        In the file's order.
    """
    turns: list[Turn] = []
    for line in text.splitlines():
        if found := TURN.match(line):
            turns.append(Turn(found["turn"], found["emotion"], *(float(found[key]) for key in "vad"), {}))
        elif turns and (found := VOTE.match(line)):
            turns[-1].votes[found["rater"]] = [word.strip() for word in found["words"].split(";") if word.strip()]
    return turns


def read_transcripts(text: str) -> dict[str, str]:
    """The words of each turn in one dialog; lines in another form are skipped.

    Arguments
    ---------
    text : str
        A file of dialog/transcriptions.

    Returns
    -------
    dict of str to str
        Words by turn.

    Example
    -------
    >>> read_transcripts("Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\\nM: ...\\n")
    {'Ses01F_impro01_F000': 'Excuse me.'}
    """
    found = (SAID.match(line) for line in text.splitlines())
    return {said["turn"]: said["words"].strip() for said in found if said}


def _files(data_folder: Path, kind: str) -> list[Path]:
    """Text files of one kind from all sessions, without the sub-folders of single raters and other systems."""
    missing = [session for session in SESSIONS if not (data_folder / f"Session{session}" / "dialog" / kind).is_dir()]
    if missing:
        raise ManifestError(
            f"{data_folder} lacks Session{', Session'.join(missing)} with dialog/{kind}: hand over the folder of the "
            "full release; leaving one session out needs all five."
        )
    folders = [data_folder / f"Session{session}" / "dialog" / kind for session in SESSIONS]
    return [path for folder in folders for path in sorted(folder.glob("Ses*.txt"))]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _utterance(turn: Turn, path: Path, transcripts: dict[str, str]) -> Utterance | Dropped:
    name = f"iemocap-{turn.name}"
    if turn.emotion not in EMOTIONS:
        reason = "without a majority" if turn.emotion == "xxx" else "of another emotion"
        return Dropped(name, reason, turn.emotion)
    parts = NAME.fullmatch(turn.name)
    if parts is None:
        return Dropped(name, "with an unknown name", str(path), fault=True)
    dialog = turn.name.rpartition("_")[0]
    return Utterance(
        id=name,
        wav=f"{{data_root}}/Session{parts['session']}/sentences/wav/{dialog}/{turn.name}.wav",
        speaker=f"iemocap-Ses0{parts['session']}{parts['speaker']}",
        transcript=transcripts.get(turn.name),
        emotion=EMOTIONS[turn.emotion],
        gender=GENDERS[parts["speaker"]],
    )


def _build(clips: list[Utterance | Dropped], data_folder: Path) -> Iterator[Utterance | Dropped]:
    kept = [clip for clip in clips if isinstance(clip, Utterance)]
    yield from (clip for clip in clips if isinstance(clip, Dropped))
    yield from probe(kept, data_folder, len(kept))


def _rating(turn: Turn) -> dict:
    rating = turn._asdict()
    return {"id": f"iemocap-{rating.pop('name')}", **rating}


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    valid_by: Literal["speaker", "random"] = "speaker",
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes five folds, ``fold_1/train.jsonl`` and so on; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        IEMOCAP_full_release, with Session1 to Session5.
    save_folder : str | Path
        Where the manifests are written.
    valid_by : str
        Validation part: two of the eight training speakers, or a random fifth of the training clips.
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
        If a session is missing.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    data_folder, save_folder = Path(data_folder), Path(save_folder)
    evaluations, transcriptions = (_files(data_folder, kind) for kind in ("EmoEvaluation", "transcriptions"))
    transcripts = {name: words for path in transcriptions for name, words in read_transcripts(_text(path)).items()}
    turns = [(turn, path) for path in evaluations for turn in read_turns(_text(path))]
    clips = [_utterance(turn, path, transcripts) for turn, path in turns]
    kept = [clip for clip in clips if isinstance(clip, Utterance)]
    return prepare_once(
        save_folder,
        {"valid_by": valid_by},
        [*evaluations, *transcriptions],
        lambda: _build(clips, data_folder),
        fold_manifests(SESSIONS),
        leave_one_out(kept, lambda clip: clip.speaker[len("iemocap-Ses0")], valid_by),
        [
            lambda _: write_ratings(save_folder, [_rating(turn) for turn, _ in turns]),
            *annotation(annotate, save_folder, data_folder, wording=wording),
        ],
        wording,
    )


if __name__ == "__main__":
    prepare_command(prepare)
