"""Compares answers with every rater's vote, and raters with one another, for labels that people disagree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from speechbrain_xser.errors import MetricError

Votes = Mapping[str, Sequence[str]]  # one label for each rater, by utterance


def rater_accuracy(answers: Mapping[str, str | None], votes: Votes) -> float:
    """How often an answer is a label that at least one rater chose.

    Arguments
    ---------
    answers : mapping of str to (str or None)
        Answers by utterance; None is unparsed and counts as wrong.
    votes : mapping of str to sequence of str
        Votes by utterance; utterances without an answer are ignored.

    Returns
    -------
    float
        Percent of the answers.

    Raises
    ------
    MetricError
        If an answer's utterance has no votes; it names the utterance.

    Example
    -------
    >>> votes = {"a": ["sad", "neutral"], "b": ["sad"]}
    >>> rater_accuracy({"a": "neutral", "b": None}, votes)
    50.0
    """
    if lone := [id for id in answers if not votes.get(id)]:
        raise MetricError(f"{len(lone)} utterances have no votes: {', '.join(lone[:5])}.")
    if not answers:
        raise MetricError("No answers, expected at least one.")
    return 100 * sum(found in votes[id] for id, found in answers.items()) / len(answers)


def human_ceiling(votes: Votes) -> float:
    """How often one rater chooses a label that no other label outvotes among the remaining raters.

    Arguments
    ---------
    votes : mapping of str to sequence of str
        Votes by utterance; those with fewer than two votes are skipped.

    Returns
    -------
    float
        Percent, over all raters of all utterances: what a system that answers like a person would reach.

    Raises
    ------
    MetricError
        If no utterance has two votes.

    Example
    -------
    >>> round(human_ceiling({"a": ["sad", "sad", "happy"], "b": ["sad"]}), 2)  # "sad" ties with "happy", which loses
    66.67
    """
    right = count = 0
    for labels in votes.values():
        for place, label in enumerate(labels if len(labels) > 1 else ()):
            rest = Counter([*labels[:place], *labels[place + 1 :]])
            right += rest[label] == max(rest.values())
            count += 1
    if not count:
        raise MetricError("No utterance has two votes, expected raters to compare.")
    return 100 * right / count
