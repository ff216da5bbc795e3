"""What naming an emotion is worth: the share of the raters who chose it, more in clips of rare classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

MOST_WEIGHT = 4.0  # of a clip; one of a class that is rarer than a quarter of an even share weighs no more


class EmotionWorth:
    """Weighs clips by the rarity of their class, which is the emotion that most of their raters chose.

    A clip of a class with the frequency p weighs ``min(1 / (C * p), 4)``, C being the number of classes. Naming one
    class always then earns at most 1 / C where raters agree, whichever it is; within a clip, what most raters chose
    earns most. Without the limit one clip of a rare class would decide a whole step.

    Arguments
    ---------
    clips : iterable of mapping of str to float
        The share of each emotion, of every training clip; empty where unknown.

    Example
    -------
    >>> worth = EmotionWorth([{"sad": 1.0}] * 3 + [{"angry": 0.75, "sad": 0.25}])
    >>> worth.of("sad", {"sad": 1.0}), worth.of("angry", {"angry": 0.75, "sad": 0.25})  # 1 / (2 * 3/4), 3/4 / (2 * 1/4)
    (0.6666666666666666, 1.5)
    """

    def __init__(self, clips: Iterable[Mapping[str, float]]) -> None:
        totals: Counter[str] = Counter()
        for classes in map(chosen, clips):
            totals.update(dict.fromkeys(classes, 1 / len(classes)) if classes else {})
        known, classes = sum(totals.values()), len(totals)
        self.weights = {emotion: min(known / (classes * total), MOST_WEIGHT) for emotion, total in totals.items()}

    def of(self, emotion: str | None, shares: Mapping[str, float]) -> float:
        """What naming an emotion earns in a clip with these shares."""
        return shares.get(emotion, 0.0) * mean(self.weights.get(one, 1.0) for one in chosen(shares))


def chosen(shares: Mapping[str, float]) -> Sequence[str]:
    """The emotion that most raters chose; several if they are as many; none if none is known."""
    return [emotion for emotion, share in shares.items() if share == max(shares.values())]
