"""Sentences to be spoken: the examples in WordNet's glosses (Fellbaum, 1998), as Debian's ``wordnet-base`` has them.

A gloss is ``definition; "example"; "example" - author``. Taken are examples of 4 to 16 words whose every word is
spoken as it is written: no digits, no quotation inside, no abbreviation, no brackets.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Literal

from speechbrain_xser.data.speakers import hashed_side
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.metrics.text_normalization import normalise

Transcripts = Literal["sentence", "pauseless", "words"]

FILES = ("data.noun", "data.verb", "data.adj", "data.adv")
SHARES = {"train": 0.9, "valid": 0.05, "test": 0.05}
SEED = "wordnet-1"  # of the split
WORDS = range(4, 17)  # in a sentence
EXAMPLE = re.compile('"([^"]*)"')
SPOKEN = re.compile("[A-Za-z][A-Za-z ,;'-]*[.?!]?")
ODD = re.compile(r"--|\s[-',;]|[-'][,;]|[,;][,;]|[,;-][.?!]?$|\b[B-HJ-NP-Z]\b|[A-Z]{2}")
AUXILIARY = "am|are|can|could|do|does|did|has|have|is|may|shall|should|was|were|will|would"
QUESTION = re.compile(
    rf"(?:who|what|where|when|why|how)(?: (?:{AUXILIARY})|'s) (?:I|you|he|she|it|we|they|the|this|that|my|your|his) "
    "|(?:am|are|can|could|do|does|did|has|have|is|may|shall|was|will|would) (?:I|you|he|she|we|they|anyone|anybody) "
    "|(?:is|was|can|could|will|would) (?:it|there|this|that) ",
    re.IGNORECASE,
)


def sentences(folder: str | Path, split: Literal["train", "valid", "test"]) -> list[str]:
    """The sentences of a split; none is on two, whatever its capitals and commas.

    Arguments
    ---------
    folder : str | Path
        WordNet's, with ``data.noun``, ``data.verb``, ``data.adj`` and ``data.adv``: ``/usr/share/wordnet`` in Debian.
    split : "train", "valid" or "test"
        By a hash of the words.

    Returns
    -------
    list of str
        As WordNet has them, mostly without a capital and without a full stop. They are ordered by their hash, so the
        first hundred are a fair sample.

    Raises
    ------
    ManifestError
        If a file is missing or is not WordNet's.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> gloss = '00001740 29 v 01 sing 0 000 | make music; "she sang a song of love"; "he hums"; "it cost 5 dollars"'
    >>> for name in FILES:
    ...     _ = (folder / name).write_text(gloss + "\\n")
    >>> [sentence for split in SHARES for sentence in sentences(folder, split)]
    ['she sang a song of love']
    """
    if split not in SHARES:
        raise ManifestError(f"There is no split {split!r} of WordNet's sentences, expected one of {', '.join(SHARES)}.")
    by_words: dict[str, str] = {}
    for name in FILES:
        for example in _examples(Path(folder, name)):
            by_words.setdefault(normalise(example), example)
    kept = [words for words in by_words if hashed_side(words, SHARES, SEED) == split]
    return [by_words[words] for words in sorted(kept, key=_digest)]


def written(sentence: str, variant: Transcripts = "sentence") -> str:
    """A sentence as an English transcript is written.

    Arguments
    ---------
    sentence : str
        As :func:`sentences` gives it.
    variant : "sentence", "pauseless" or "words"
        With all punctuation; with a capital and the last mark only, since a comma cannot always be heard; or the words
        alone.

    Returns
    -------
    str
        Capitals inside stay as they are.

    Example
    -------
    >>> written("of all his songs, she sang one")
    'Of all his songs, she sang one.'
    >>> written("do you sing"), written("well, do I sing!", "pauseless"), written("do you sing", "words")
    ('Do you sing?', 'Well do I sing!', 'do you sing')
    """
    bare = sentence.rstrip(".?!")
    mark = sentence[len(bare) :] or ("?" if QUESTION.match(sentence + " ") else ".")
    if variant != "sentence":
        bare = re.sub("[,;]", "", bare)
    return bare if variant == "words" else bare[0].upper() + bare[1:] + mark


def _examples(file: Path) -> list[str]:
    """The examples of one part of speech that can be spoken, in the file's order."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{file}: {getattr(error, 'strerror', None) or error}, expected WordNet's file of that name. Install "
            "Debian's wordnet-base and name /usr/share/wordnet."
        ) from error
    glosses = [gloss for _, bar, gloss in (line.partition(" | ") for line in lines) if bar]
    if not glosses:
        raise ManifestError(f"{file}: no gloss in it, expected WordNet's file of that name, as wordnet-base has it.")
    found = [example for gloss in glosses if gloss.count('"') % 2 == 0 for example in EXAMPLE.findall(gloss)]
    return [" ".join(example.split()) for example in found if _fits(example.strip())]


def _fits(example: str) -> bool:
    return len(example.split()) in WORDS and SPOKEN.fullmatch(example) is not None and not ODD.search(example)


def _digest(words: str) -> str:
    return sha256(words.encode()).hexdigest()
