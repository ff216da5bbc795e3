"""Counts how often a true quote is called wrong, and how often a wrong one is noticed, on real speech.

    python -m recipes.Annotator.quote_truths --data corpora --clips 25

``corpora`` contains librispeech/, cremad/ and ravdess/, each with a ``manifest.csv``. Four quotes are judged for each
clip: its own text; the text of another clip of the corpus; its own text with one word replaced by a word of
LibriSpeech; and its own text with one word left out. Whisper's decoder needs ``xser setup small``;
``--without_whisper`` leaves it out.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import torch

from recipes.Annotator.truths import NAMES, table
from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.evidence.quote_check import alignment_check, as_sentence, judged
from speechbrain_xser.lobes.word_recognizer import WhisperRecognizer
from speechbrain_xser.metrics.text_normalization import normalise

CORPORA = ("librispeech", "cremad", "ravdess")
KINDS = ("true", "another clip's", "one word replaced", "one word left out")
WHISPER = "setup:whisper-tiny.en"
LONGEST_SECONDS = 30.0
SHORTEST_WORD = 3  # letters, of one that replaces another


class Quotes(NamedTuple):
    """A clip, and the quotes that are judged."""

    corpus: str
    path: Path
    texts: tuple[str, str, str, str]  # as KINDS


def quotes(data: Path, clips: int, first: int, seed: int = 1) -> Iterator[Quotes]:
    """Clips spread evenly over each corpus, in turn."""
    random, places = Random(seed), Random(seed)
    listed = {corpus: list(_texts(data / corpus)) for corpus in CORPORA}
    words = sorted({word for _, text in listed["librispeech"] for word in text.split() if len(word) >= SHORTEST_WORD})
    for place in range(clips):
        for corpus, found in listed.items():
            path, text = found[(first + place * len(found) // clips) % len(found)]
            other = random.choice([another for _, another in found if another != text])
            yield Quotes(corpus, path, (text, other, replaced(text, words, random), shortened(text, places)))


def _texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Clips that are short enough, with their text."""
    with open(folder / "manifest.csv", encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["transcript"] and float(row["duration"]) <= LONGEST_SECONDS:
                yield folder / row["path"], normalise(row["transcript"])


def replaced(text: str, words: list[str], random: Random) -> str:
    """A text with another word in the place of one.

    Example
    -------
    >>> sum(word == "sea" for word in replaced("we go on", ["sea"], Random(1)).split())
    1
    """
    told = text.split()
    place = random.randrange(len(told))
    told[place] = random.choice([word for word in words if word != told[place]])
    return " ".join(told)


def shortened(text: str, random: Random) -> str:
    """A text without one of its words.

    Example
    -------
    >>> shortened("we go on", Random(1))
    'go on'
    """
    told = text.split()
    del told[random.randrange(len(told))]
    return " ".join(told)


def marks(clips: Iterable[Quotes], whisper: WhisperRecognizer | None) -> dict[tuple[str, str], list[list[bool]]]:
    """For each check and corpus, which quotes of each clip are marked; a quote that is not judged is not marked."""
    found = defaultdict(list)
    for clip in clips:
        wav = load_audio(clip.path, sample_rate=SAMPLE_RATE)
        checks = {"aligned": [alignment_check(hear(wav))(text) for text in clip.texts]}
        if whisper is not None:
            checks["Whisper"] = _by_whisper(whisper, wav, clip.texts)
        for name, judged_quotes in checks.items():
            found[name, clip.corpus].append([one is not None and not one.fits for one in judged_quotes])
        print(clip.path.stem, {name: rows[-1] for (name, corpus), rows in found.items() if corpus == clip.corpus})
    return found


def _by_whisper(whisper: WhisperRecognizer, wav: torch.Tensor, texts: Iterable[str]) -> list:
    """The clip is encoded and recognised once for all of its quotes."""
    asked = [as_sentence(text) for text in texts]
    samples = torch.tensor([len(wav)])
    encoded = whisper.encode(wav[None], samples)
    [heard] = whisper.recognize(encoded, samples)
    text, likely = " ".join(word.text for word in heard), whisper.likelihoods(encoded, asked)
    return [judged(quote, text, found) for quote, found in zip(asked, likely, strict=True)]


def rates(found: dict[tuple[str, str], list[list[bool]]]) -> list[str]:
    """Lines of a Markdown table.

    Example
    -------
    >>> print(*rates({("Whisper", "cremad"): [[False, True, True, True], [False, True, False, True]]}), sep="\\n")
    | check | clips | true quotes marked | another clip's caught | one word replaced caught | one word left out caught |
    |---|---|---|---|---|---|
    | Whisper | CREMA-D: 2 | 0 | 2 | 1 | 2 |
    """
    header = ("check", "clips", f"{KINDS[0]} quotes marked", *(f"{kind} caught" for kind in KINDS[1:]))
    rows = [
        (check, f"{NAMES[corpus]}: {len(marked)}", *(str(sum(column)) for column in zip(*marked, strict=True)))
        for (check, corpus), marked in sorted(found.items())
    ]
    return table(header, rows)


def main() -> None:
    """Judges the quotes and prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=100, help="of each corpus")
    parser.add_argument("--first", type=int, default=0, help="place in its list of a corpus's first clip")
    parser.add_argument("--without_whisper", action="store_true")
    given = parser.parse_args()
    whisper = None if given.without_whisper else WhisperRecognizer(WHISPER).eval()
    print(*rates(marks(quotes(given.data, given.clips, given.first), whisper)), sep="\n")


if __name__ == "__main__":
    main()
