"""Speaks the small model's training text: WordNet's example sentences by flite, eSpeak NG and Piper, as recorded.

Reads ``data_folder``, WordNet's own (``/usr/share/wordnet`` of Debian's ``wordnet-base``), and writes FLAC files of 1
to 20 s and their manifests. Speakers and sentences of the three splits are disjoint. Every clip depends on the seed
alone; a preparation that was stopped goes on where it was.

    python recipes/Small/prepare.py --data_folder=/usr/share/wordnet --save_folder=results/small/speech
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.recordings import Style, record
from Small.sentences import FILES, Transcripts, sentences
from Small.sessions import SHARES, VERSION, Session, sessions
from Small.voices import Manner, Programs, open_voice, speakers

from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.preparation import prepare_once
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.parallel import in_parallel

LICENCE = (
    "sentences: WordNet 3.0 licence; voices: flite, its own free licence, eSpeak NG, GPL-3.0 for the program, "
    "Piper's en_US-joe-medium, CC0"
)

BABBLERS = 24


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    train_clips: int = 8000,
    valid_clips: int = 200,
    test_clips: int = 300,
    seed: int = 1,
    flite: str = "flite",
    piper: str | None = None,
    piper_model: str | None = None,
    transcripts: Transcripts = "sentence",
    annotate: bool = False,
    wording: Wording = "varied",
    workers: int | None = None,
) -> dict[str, str]:
    """Speaks and writes ``train``, ``valid`` and ``test.jsonl``; done again, it changes nothing and is quick.

    Arguments
    ---------
    data_folder : str | Path
        WordNet's, with data.noun, data.verb, data.adj and data.adv: /usr/share/wordnet in Debian.
    save_folder : str | Path
        Where manifests and, in ``wav``, clips go: about 50 MB for an hour of speech.
    train_clips, valid_clips, test_clips : int
        How many. More clips than before are those and some.
    seed : int
        Decides everything.
    flite : str
        The program, a path or a name.
    piper : str | None
        Piper's program in an environment of its own; without it the other voices speak its share.
    piper_model : str | None
        Its voice en_US-joe-medium.onnx, with the JSON beside it.
    transcripts : str
        "sentence" with a capital, commas and a last mark, "pauseless" without commas, or "words" alone.
    annotate : bool
        Whether the annotator fills pitch, volume, speed, intonation and emphasis, by the package's bounds.
    wording : str
        Of the paragraphs, "plain" or "varied".
    workers : int | None
        Processes at a time; by default one a core.

    Returns
    -------
    dict[str, str]
        Path of the manifest by split.

    Raises
    ------
    ManifestError
        If the folder is not WordNet's, or a number of clips is not positive.
    SettingsError
        If a program is missing or does not have its voice.
    AudioError
        If a program fails, hangs or leaves no whole file.
    """
    clips = {"train": train_clips, "valid": valid_clips, "test": test_clips}
    if min(clips.values()) < 1:
        raise ManifestError(f"Clips wanted: {clips}, expected at least one in each split.")
    programs, style = Programs(flite, piper, piper_model), Style(transcripts, annotate)
    options = {"version": VERSION, "seed": seed, "clips": clips, "shares": SHARES, "piper": piper is not None}
    return prepare_once(
        save_folder,
        {**options, "style": style, "wording": wording},
        [Path(data_folder, name) for name in FILES if Path(data_folder, name).is_file()],
        lambda: _spoken(Path(data_folder), Path(save_folder), clips, seed, programs, style, workers),
        wording=wording,
    )


def _spoken(
    data_folder: Path,
    save_folder: Path,
    clips: dict[str, int],
    seed: int,
    programs: Programs,
    style: Style,
    workers: int | None,
) -> Iterator[Utterance | Dropped]:
    _check(programs)
    for split, count in clips.items():
        texts = sentences(data_folder, split)
        planned: list[Session] = sessions(split, texts, count, seed, programs)
        folder = save_folder / "wav" / split
        folder.mkdir(parents=True, exist_ok=True)
        work = partial(record, folder, programs, style, tuple(texts[:BABBLERS]))
        label = f"speaking {split}, {count} clips"
        yield from chain.from_iterable(in_parallel(work, planned, label, len(planned), workers))


def _check(programs: Programs) -> None:
    """Opens every voice that is a program's, so that a missing one is told at once."""
    for split in ("train", "test"):
        for program, there in speakers(split, programs).items():
            for speaker in there if program != "espeak" else ():
                open_voice(speaker, Manner(), programs).close()


if __name__ == "__main__":
    prepare_command(prepare)
