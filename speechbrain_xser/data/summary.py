"""Summary of a preparation: clips, hours, speakers and classes of each manifest, and what was dropped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.utils.plain_table import plain_table

ALL = "all"  # the row that counts every clip once, however many manifests it is in
EXAMPLES = 5  # dropped clips named for each reason


class Summary:
    """Counts utterances as they are written and clips as they are dropped.

    Example
    -------
    >>> summary = Summary(["train"])
    >>> summary.add(Utterance("a", "a.wav", duration=1800.0, speaker="x", emotion="sad"), ["train"])
    >>> summary.drop(Dropped("b", "cannot be read", "b.wav: 0 bytes"))
    >>> print(summary.text())
    manifest  clips  hours  speakers  sad
    -------------------------------------
    train         1   0.50         1    1
    all           1   0.50         1    1
    dropped: 1 cannot be read (b: b.wav: 0 bytes)
    """

    def __init__(self, manifests: Iterable[str]):
        self._clips: dict[str, Counter] = {name: Counter() for name in (*manifests, ALL)}  # by emotion, None for none
        self._seconds: Counter = Counter()
        self._speakers: dict[str, set[str]] = {name: set() for name in self._clips}
        self._dropped: Counter = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, utterance: Utterance, manifests: Iterable[str]) -> None:
        """Counts an utterance in each of its manifests, and once in all."""
        for name in (*manifests, ALL):
            self._clips[name][utterance.emotion] += 1
            self._seconds[name] += seconds(utterance)
            self._speakers[name].update([utterance.speaker] if utterance.speaker else [])

    def drop(self, dropped: Dropped) -> None:
        """Counts a dropped clip."""
        self._dropped[dropped.reason] += 1
        examples = self._examples.setdefault(dropped.reason, [])
        if len(examples) < EXAMPLES:
            examples.append(f"{dropped.id}: {dropped.detail}" if dropped.detail else dropped.id)

    def as_dict(self) -> dict:
        """The counts for ``summary.json``: by manifest, and what was dropped by reason with examples."""
        return {
            "manifests": {name: self._manifest(name) for name in self._clips},
            "dropped": {
                reason: {"clips": count, "examples": self._examples[reason]}
                for reason, count in self._dropped.most_common()
            },
        }

    def _manifest(self, name: str) -> dict:
        emotions = {emotion: self._clips[name][emotion] for emotion in (*EMOTIONS, None) if self._clips[name][emotion]}
        return {
            "clips": sum(self._clips[name].values()),
            "hours": round(self._seconds[name] / 3600, 3),
            "speakers": len(self._speakers[name]),
            "emotions": {emotion or "none": count for emotion, count in emotions.items()},
        }

    @property
    def empty(self) -> list[str]:
        """Manifests without a clip."""
        return [name for name, clips in self._clips.items() if not clips and name != ALL]

    def text(self) -> str:
        """The counts as a table."""
        return summary_text(self.as_dict())


def summary_text(summary: dict) -> str:
    """A stored summary as a table: one row per manifest, then one line per reason for dropping."""
    manifests = summary["manifests"]
    emotions = [name for name in (*EMOTIONS, "none") if any(name in row["emotions"] for row in manifests.values())]
    rows = [("manifest", "clips", "hours", "speakers", *emotions)]
    for name, row in manifests.items():
        counts = [str(row["emotions"].get(emotion, 0)) for emotion in emotions]
        rows.append((name, str(row["clips"]), f"{row['hours']:.2f}", str(row["speakers"]), *counts))
    dropped = [
        f"dropped: {row['clips']} {reason} ({'; '.join(row['examples'])}{'; ...' if row['clips'] > EXAMPLES else ''})"
        for reason, row in summary["dropped"].items()
    ]
    return "\n".join([plain_table(rows), *dropped])


def seconds(utterance: Utterance) -> float:
    """Length of an utterance as its manifest states it, or 0.

    Example
    -------
    >>> seconds(Utterance("a", "a.opus", start=159.0, stop=167.5)), seconds(Utterance("a", "a.wav"))
    (8.5, 0.0)
    """
    if utterance.stop is not None:
        return utterance.stop - (utterance.start or 0.0)
    return utterance.duration or 0.0
