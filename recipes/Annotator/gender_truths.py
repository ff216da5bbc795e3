"""How often the gender estimate is correct, on corpora and speakers that it was not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from recipes.Annotator.train_gender import Examples, examples, fit
from recipes.Annotator.voices import Sound, Voice
from speechbrain_xser.annotator.gender import gender_of, speaker_gender

FOLDS = 10
Corpus = tuple[list[Voice], list[Sound]]


class Rightness(NamedTuple):
    """The accuracy of an estimate."""

    clips: int
    forced: float  # share of clips on the correct side of even odds; a clip without voice counts as wrong
    told: float  # share of correct ones among the clips with a gender
    with_word: float  # share of clips with a gender
    speakers: dict[str, int]  # correct, wrong and open, from all clips of a speaker together


def rightness(log_odds: Iterable[float | None], voices: list[Voice]) -> Rightness:
    """Counts the correct genders of an estimate."""
    pairs = [(odds, "female" if voice.female else "male") for odds, voice in zip(log_odds, voices, strict=True)]
    forced = [odds is not None and gender_of(odds, 0.0) == truth for odds, truth in pairs]
    told = [word == truth for odds, truth in pairs if odds is not None and (word := gender_of(odds))]
    return Rightness(len(pairs), np.mean(forced), np.mean(told), len(told) / len(pairs), _speakers(pairs, voices))


def _speakers(pairs: list[tuple[float | None, str]], voices: list[Voice]) -> dict[str, int]:
    odds, truths, counts = defaultdict(list), {}, {"right": 0, "wrong": 0, "open": 0}
    for (found, truth), voice in zip(pairs, voices, strict=True):
        truths[voice.speaker] = truth
        odds[voice.speaker] += [] if found is None else [found]
    for speaker, truth in truths.items():
        word = speaker_gender(odds[speaker])
        counts["open" if word is None else "right" if word == truth else "wrong"] += 1
    return counts


def shipped(corpus: Corpus) -> list[float | None]:
    """Log odds from the package's weights."""
    return [sound.log_odds for sound in corpus[1]]


def crossed(train: Corpus, test: Corpus) -> list[float | None]:
    """Log odds from weights trained on another corpus."""
    model = fit(_examples(train))
    return [None if sound.features is None else _odds(model, sound) for sound in test[1]]


def held_out(corpora: list[Corpus]) -> list[list[float | None]]:
    """Log odds from weights trained on all corpora without a tenth of the speakers, including the clip's own."""
    voices = [voice for found, _ in corpora for voice in found]
    sounds = [sound for _, found in corpora for sound in found]
    odds: list[float | None] = [None] * len(voices)
    for kept, left in GroupKFold(FOLDS).split(voices, groups=[voice.speaker for voice in voices]):
        model = fit(_examples(([voices[i] for i in kept], [sounds[i] for i in kept])))
        for i in left:
            odds[i] = None if sounds[i].features is None else _odds(model, sounds[i])
    lengths = np.cumsum([len(found) for found, _ in corpora])
    return [odds[stop - len(found) : stop] for stop, (found, _) in zip(lengths, corpora, strict=True)]


def _examples(corpus: Corpus) -> Examples:
    return examples(corpus[0], [sound.features for sound in corpus[1]])


def _odds(model, sound: Sound) -> float:
    return float(model.decision_function(sound.features[None])[0])
