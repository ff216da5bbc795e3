"""What is measured of a model's answers to one set of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.metrics.asr import WordErrorRate
from speechbrain_xser.metrics.calibration import expected_calibration_error
from speechbrain_xser.metrics.ser import EmotionScore

BINS = 10
VOICE = ("gender", "pitch", "volume", "speed")


class Figures(NamedTuple):
    """In per cent; None where the set has no such label."""

    clips: int
    ua: float | None  # of the emotion that the paragraph names
    ua_most_probable: float | None  # of the most probable class
    ece: float | None  # of the most probable class, ten bins
    wer: float | None
    parsed: float  # answers that name an emotion and quote the words
    cut: float  # answers that end without a full stop, as one does that was cut or looped
    named: dict[str, float]  # share of answers that name each descriptor
    recall: dict[str, float]  # mean recall of each descriptor over its words
    majority: dict[str, float]  # share of the most frequent word of each


def figures(utterances: Sequence[Utterance], explanations: Sequence[Explanation]) -> Figures:
    """Measures answers.

    Arguments
    ---------
    utterances : sequence of Utterance
        With what is true of them.
    explanations : sequence of Explanation
        One for each.

    Returns
    -------
    Figures

    Example
    -------
    >>> from speechbrain_xser.answer.parse import parse
    >>> truth = Utterance("a", "a.wav", transcript="go", emotion="sad", gender="male")
    >>> told = Explanation('A man sadly says, "Go".', "Go", parse("A man speaks.").descriptors, "sad", {"sad": 1.0})
    >>> found = figures([truth], [told])
    >>> found.ua, found.wer, found.recall
    (100.0, 0.0, {'gender': 100.0})
    """
    pairs = list(zip(utterances, explanations, strict=True))
    felt = [(truth, told) for truth, told in pairs if truth.emotion is not None]
    words = [(truth, told) for truth, told in pairs if truth.transcript is not None]
    labels = {name: [(getattr(t, name), getattr(e.descriptors, name)) for t, e in pairs] for name in VOICE}
    known = {name: [pair for pair in found if pair[0] is not None] for name, found in labels.items()}
    known = {name: found for name, found in known.items() if found}
    return Figures(
        clips=len(pairs),
        ua=unweighted_accuracy([(truth.emotion, told.emotion) for truth, told in felt]),
        ua_most_probable=unweighted_accuracy([(truth.emotion, _most_probable(told)) for truth, told in felt]),
        ece=_calibration(felt),
        wer=word_error_rate([(truth.transcript, told.transcript) for truth, told in words]),
        parsed=_share(told.emotion is not None and told.transcript is not None for _, told in pairs),
        cut=_share(not told.paragraph.rstrip().endswith((".", '."', '"')) for _, told in pairs),
        named={name: _share(found is not None for _, found in pairs) for name, pairs in labels.items()},
        recall={name: _recall(found) for name, found in known.items()},
        majority={name: 100 * Counter(t for t, _ in f).most_common(1)[0][1] / len(f) for name, f in known.items()},
    )


def _most_probable(told: Explanation) -> str:
    return max(told.probabilities, key=told.probabilities.get)


def _share(facts) -> float:
    facts = list(facts)
    return 100 * sum(facts) / len(facts)


def unweighted_accuracy(pairs: Sequence[tuple[str, str | None]]) -> float | None:
    """Mean recall of the classes, in per cent, from pairs of a true and a named one; None if there are no pairs."""
    if not pairs:
        return None
    score = EmotionScore()
    score.append([str(n) for n in range(len(pairs))], *map(list, zip(*pairs, strict=True)))
    return float(score.summarize("UA"))


def _calibration(felt: Sequence[tuple[Utterance, Explanation]]) -> float | None:
    if not felt:
        return None
    return expected_calibration_error([told.probabilities for _, told in felt], [t.emotion for t, _ in felt], BINS)


def word_error_rate(pairs: Sequence[tuple[str, str | None]]) -> float | None:
    """In per cent, from pairs of what was said and what was quoted; None if there are no pairs."""
    if not pairs:
        return None
    score = WordErrorRate()
    score.append([str(n) for n in range(len(pairs))], *map(list, zip(*pairs, strict=True)))
    return float(score.summarize("WER"))


def _recall(pairs: Sequence[tuple[str, str | None]]) -> float:
    """Mean over the words that occur; a descriptor that is not named is wrong."""
    shares = [_share(t == f for t, f in pairs if t == one) for one in sorted({t for t, _ in pairs})]
    return sum(shares) / len(shares)
