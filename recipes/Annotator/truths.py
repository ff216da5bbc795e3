"""Prints the tables of docs/annotator.md: the annotator's measurements compared with what is known about real speech.

    python -m recipes.Annotator.truths --data corpora

``corpora`` contains ravdess/, cremad/, emodb/, tess/ and librispeech/, each with a ``manifest.csv`` as ``voices.py``
reads it, and annotations/emodb and annotations/libritts_p. Every clip is measured again each time. Needs parselmouth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.Annotator.accents import FITTED_SPEAKERS, NEW_SPEAKERS, labelled_clips
from recipes.Annotator.emphasis_truths import NamedWords, TopWords, named_words, top_words
from recipes.Annotator.gender_truths import Corpus, Rightness, crossed, held_out, rightness, shipped
from recipes.Annotator.listeners import listed_genders, listener_genders, majority
from recipes.Annotator.pitch_truths import agreement, louder, sides
from recipes.Annotator.voices import listen, sound, voices
from speechbrain_xser.annotator.gender import speaker_gender

NAMES = {"ravdess": "RAVDESS", "cremad": "CREMA-D", "emodb": "EmoDB", "tess": "TESS", "librispeech": "LibriSpeech"}
TRAINED_ON = ("cremad", "librispeech")
INTENSE = "happy sad angry fearful calm disgusted surprised"  # RAVDESS has neutral in one intensity only


def heard(data: Path) -> dict[str, Corpus]:
    """All clips of the corpora, with their measurements."""
    found = {corpus: voices(data / corpus) for corpus in NAMES}
    return {corpus: (clips, listen(sound, clips, f"hearing {corpus}")) for corpus, clips in found.items()}


def gender_table(corpora: dict[str, Corpus], held: dict[str, list[float | None]]) -> list[str]:
    """Rows by corpus and by training corpus."""
    ours, read = (corpora[corpus] for corpus in TRAINED_ON)
    rows = [(NAMES[corpus], shipped(found), found) for corpus, found in corpora.items() if corpus not in TRAINED_ON]
    rows += [(f"{NAMES[corpus]}, its speakers left out by tenths", held[corpus], corpora[corpus]) for corpus in held]
    rows += [("LibriSpeech, trained on CREMA-D alone", crossed(ours, read), read)]
    rows += [("CREMA-D, trained on LibriSpeech alone", crossed(read, ours), ours)]
    header = ("clips", "all, forced", "where estimated", "estimated", "speakers right / wrong / open")
    return table(header, [_gender_row(name, rightness(odds, found[0])) for name, odds, found in rows])


def _gender_row(name: str, found: Rightness) -> tuple[str, ...]:
    counts = " / ".join(str(found.speakers[word]) for word in ("right", "wrong", "open"))
    return f"{name}: {found.clips:,}", percent(found.forced), percent(found.told), percent(found.with_word), counts


def reader_table(corpus: Corpus, odds: list[float | None], data: Path) -> list[str]:
    """LibriSpeech's readers compared with the listeners' majority: by the corpus's list, and by held-out voices."""
    listeners = {name: majority(votes) for name, votes in listener_genders(data / "annotations/libritts_p").items()}
    listed = listed_genders(data / "annotations/libritts_p/libritts_speakers.tsv")
    of_reader: dict[str, list[float]] = {}
    for voice, found in zip(corpus[0], odds, strict=True):
        of_reader.setdefault(voice.row["speaker"].rpartition("-")[2], []).extend([] if found is None else [found])
    estimated = {reader: speaker_gender(found) for reader, found in of_reader.items()}
    return table(
        ("against the majority of three listeners", "the same", "another", "no word"),
        [
            _reader_row("the corpus's list, all readers", listed, listeners),
            _reader_row("the corpus's list, readers heard here", {name: listed[name] for name in estimated}, listeners),
            _reader_row("the annotator, the reader left out of its training", estimated, listeners),
        ],
    )


def _reader_row(name: str, words: dict[str, str | None], listeners: dict[str, str | None]) -> tuple[str, ...]:
    pairs = {reader: (word, listeners.get(reader)) for reader, word in words.items()}
    other = [reader for reader, (word, heard_as) in pairs.items() if word and heard_as and word != heard_as]
    silent = sum(word is None or heard_as is None for word, heard_as in pairs.values())
    which = f" ({', '.join(other)})" if 0 < len(other) < 5 else ""
    return name, f"{len(pairs) - len(other) - silent:,}", f"{len(other)}{which}", str(silent)


def pitch_tables(corpora: dict[str, Corpus]) -> list[str]:
    """Pitch by gender, and pitch compared with Praat."""
    found = {name: sides(*corpora[corpus]) for corpus, name in NAMES.items() if corpus != "tess"}
    genders = [
        (name, f"{row[0]:.0f} Hz", f"{row[1]:.0f} Hz", percent(row[2]), percent(row[3])) for name, row in found.items()
    ]
    praat = []
    for corpus, name in NAMES.items():
        row = agreement(corpora[corpus][1])
        octaves = f"{percent(row.halved, 2)} / {percent(row.doubled, 2)}"
        clips = f"{row.halved_clips} / {row.doubled_clips} of {len(corpora[corpus][1]):,}"
        shares = [percent(row.near), percent(row.gross, 2), octaves, percent(row.voiced_too), percent(row.near_medians)]
        praat.append((f"{name}, {row.seconds / 60:.0f} min", *shares, clips))
    return [
        *table(("clips", "men", "women", "men below 160 Hz", "women above"), genders),
        "",
        *table(
            (
                "beside Praat",
                "within 2 %",
                "20 % away",
                "an octave below / above",
                "Praat's voiced, voiced here",
                "medians within 2 %",
                "medians an octave below / above",
            ),
            praat,
        ),
    ]


def level_table(corpus: Corpus) -> list[str]:
    """Level by RAVDESS's intensities, and of its anger."""
    pairs = {
        "*strong* over *normal*": ({"intensity": "strong"}, {"intensity": "normal", "emotion": INTENSE}),
        "angry over neutral": ({"emotion": "angry"}, {"emotion": "neutral"}),
        "angry over neutral, both of *normal* intensity": (
            {"emotion": "angry", "intensity": "normal"},
            {"emotion": "neutral"},
        ),
    }
    rows = {name: louder(*corpus, *pair) for name, pair in pairs.items()}
    return table(
        ("RAVDESS's level", "speakers who are louder", "by, in the mean"),
        [(name, f"{row.louder} of {row.speakers}", f"{row.decibels:.1f} dB") for name, row in rows.items()],
    )


def emphasis_table(data: Path) -> list[str]:
    """EmoDB's accents, for the speakers that the weights were fitted to and for the others."""
    groups = {"12 to 16, not fitted": NEW_SPEAKERS, "03 to 11, fitted": FITTED_SPEAKERS}
    rows = []
    for name, speakers in groups.items():
        clips = labelled_clips(data / "emodb", data / "annotations" / "emodb", speakers)
        rows.append(_emphasis_row(name, top_words(clips), named_words(clips)))
    words = ("top word, aligned", "top word, by hand", "last word", "longest word", "any word", "named words")
    return table(("EmoDB's speakers", "clips", *words), rows)


def _emphasis_row(name: str, top: TopWords, named: NamedWords) -> tuple[str, ...]:
    shares = (top.aligned, top.by_hand, top.last, top.longest, top.chance)
    words = f"{percent(named.accented)} of {named.named}, any word {percent(named.usual)}"
    return name, f"{top.clips} of {named.clips}", *map(percent, shares), words


def percent(share: float, digits: int = 1) -> str:
    """A share as shown in a table.

    Example
    -------
    >>> percent(0.9551), percent(0.00663, 2)
    ('95.5 %', '0.66 %')
    """
    return f"{100 * share:.{digits}f} %"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown table.

    Example
    -------
    >>> table(("a", "b"), [("1", "2")])
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    lines = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return [lines[0], f"|{'---|' * len(header)}", *lines[1:]]


def main() -> None:
    """Measures everything and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    corpora = heard(data)
    held = dict(zip(TRAINED_ON, held_out([corpora[corpus] for corpus in TRAINED_ON]), strict=True))
    for lines in (
        gender_table(corpora, held),
        reader_table(corpora["librispeech"], held["librispeech"], data),
        pitch_tables(corpora),
        level_table(corpora["ravdess"]),
        emphasis_table(data),
    ):
        print(*lines, "", sep="\n", flush=True)


if __name__ == "__main__":
    main()
