"""Turns a record into one paragraph in one of very many wordings, chosen by the utterance's id.

:func:`render` has three wordings and one order of the facts. Here the facts come in any order, each in front of the
person, as a verb or after it, in one sentence or several. As for ``render``, ``parse(write(record, key)) ==
canonical(record)`` for every record and key. The phrases are in :mod:`speechbrain_xser.answer.templates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple, TypeVar

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.phrases import PERSONS, POSSESSIVES, emotion_phrase
from speechbrain_xser.answer.record import Record
from speechbrain_xser.answer.render import canonical, listed
from speechbrain_xser.answer.templates import (
    CLAUSES,
    LEVEL_WORDINGS,
    MODIFIERS,
    PRONOUNS,
    SPEED_WORDINGS,
    TOPIC_OPENINGS,
    WITHOUT_FACTS,
)

T = TypeVar("T")
FREE_TEXTS = ("topic", "tone")  # each has to end at a comma or at the end of the paragraph


def write(record: Record, key: str) -> str:
    """Writes a record as a paragraph, with the transcript in double quotes; fields that are ``None`` are left out.

    Arguments
    ---------
    record : Record
        What to write.
    key : str
        The utterance's id. It determines the wording, on every machine alike.

    Returns
    -------
    str
        One paragraph, one line.

    Raises
    ------
    ManifestError
        If a label is outside its vocabulary.

    Example
    -------
    >>> from speechbrain_xser.answer import Descriptors, parse
    >>> old_man = Descriptors("male", "elderly", "low", "normal", "slow", emphasis=("people",), topic="politics")
    >>> record = Record("The way he talks about people", old_man, "angry")
    >>> len({write(record, f"clip {number}") for number in range(300)}) > 200
    True
    >>> all(parse(write(record, f"clip {number}")) == record for number in range(300))
    True
    """
    record, draws = canonical(check_labels(record)), Draws(key)
    plan = _plan(_facts(record, draws), draws)
    return _Writer(record, draws).paragraph(plan)


def write_description(record: Record, key: str) -> str:
    """Writes a record as a paragraph without the transcript.

    Arguments
    ---------
    record : Record
        What to write.
    key : str
        As for :func:`write`.

    Returns
    -------
    str
        One paragraph, one line.

    Raises
    ------
    ManifestError
        If a label is outside its vocabulary.

    Example
    -------
    >>> write_description(Record("Hello", emotion="sad"), "clip") == write(Record(emotion="sad"), "clip")
    True
    """
    return write(record._replace(transcript=None), key)


class Draws:
    """Random choices that depend on a text alone, on any machine and in any version of Python."""

    def __init__(self, key: str) -> None:
        # 512 bits; the longest paragraph uses fewer than 150 of them.
        self._number = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass")).digest(), "big")

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        self._number, index = divmod(self._number, len(options))
        return options[index]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in an order, all orders equally likely."""
        rest = list(items)
        return [rest.pop(self.pick(range(len(rest)))) for _ in items]


class _Fact(NamedTuple):
    """What one clause states."""

    name: str  # key of CLAUSES
    text: str  # what goes into the clause; for an emotion, its label


class _Sentence(NamedTuple):
    """The facts before the subject, and those after it; the first of the latter is the verb."""

    fronts: list[_Fact]
    cores: list[_Fact]


def _facts(record: Record, draws: Draws) -> list[_Fact]:
    """The known facts in a random order, the levels separately or as one fact."""
    spoken = record.descriptors
    levels = draws.shuffled([field for field in LEVEL_WORDINGS if getattr(spoken, field)])
    said = [draws.pick(LEVEL_WORDINGS[field][getattr(spoken, field)]) for field in levels]
    if len(said) > 1 and draws.pick((True, False)):
        said = [listed(said)]
    others = {
        "speed": spoken.speed and draws.pick(SPEED_WORDINGS[spoken.speed]),
        "emotion": record.emotion,
        "emphasis": spoken.emphasis and _stressed(spoken.emphasis),
        "transcript": record.transcript,
        "topic": spoken.topic,
        "tone": spoken.tone,
    }
    facts = [_Fact("levels", text) for text in said] + [_Fact(name, text) for name, text in others.items() if text]
    return draws.shuffled(facts)


def _stressed(words: tuple[str, ...]) -> str:
    return f"the word{'s' if len(words) > 1 else ''} " + listed([f'"{word}"' for word in words])


def _plan(facts: list[_Fact], draws: Draws) -> list[_Sentence]:
    """Divides the facts, in their order, into sentences; each has a verb, except that a lone topic is an opening."""
    if [fact.name for fact in facts] == ["topic"]:
        return [_Sentence(facts, [])]
    front_counts, core_counts = (0, 1, 1), (1, 2, 3)
    sentences = []
    while facts or not sentences:
        fronts = max(0, min(draws.pick(front_counts), len(facts) - 1))
        cores = draws.pick(core_counts)
        sentences.append(_Sentence(facts[:fronts], facts[fronts : fronts + cores]))
        facts = facts[fronts + cores :]
        front_counts, core_counts = (0, 0, 1), (1, 2, 2)
    return sentences


class _Writer:
    """Puts a plan into words, and avoids clauses that begin alike."""

    def __init__(self, record: Record, draws: Draws) -> None:
        gender, age = record.descriptors.gender, record.descriptors.age
        self.draws = draws
        self.person = PERSONS[gender][age]
        self.pronoun = PRONOUNS[gender]
        self.possessive = POSSESSIVES[gender]
        self.begun: set[str] = set()

    def paragraph(self, plan: list[_Sentence]) -> str:
        """All sentences of a plan; each after the first names the person again."""
        text = _capital(self._first(plan[0]))
        for before, sentence in pairwise(plan):
            subject = self.draws.pick((self.pronoun, self.pronoun, f"the {self.person}"))
            if before.cores[-1].name in FREE_TEXTS:
                text += ", and " + self._sentence(subject, _Sentence([], sentence.fronts + sentence.cores))
            else:
                text += ". " + _capital(self._sentence(subject, sentence))
        return text + "."

    def _first(self, sentence: _Sentence) -> str:
        """The sentence that says who speaks; a topic at its start has openings of its own."""
        fronts, cores = sentence
        subject = f"{'an' if self.person[0] in 'aeiou' else 'a'} {self.person}"
        opening = ""
        if fronts and fronts[0].name == "topic":
            opening = self._choose(TOPIC_OPENINGS).format(fronts[0].text) + ", "
            fronts = fronts[1:]
        if cores and cores[0].name == "levels" and self.draws.pick((True, False)):
            subject, cores = f"{subject} {self._choose(MODIFIERS).format(cores[0].text)}", cores[1:]
        return opening + self._sentence(subject, _Sentence(fronts, cores))

    def _sentence(self, subject: str, sentence: _Sentence) -> str:
        """Front clauses, the subject and its verb, trailing clauses."""
        fronts = "".join(self._clause(fact, "front") + ", " for fact in sentence.fronts)
        verbs = self._clause(sentence.cores[0], "predicate") if sentence.cores else self._choose(WITHOUT_FACTS)
        trailing = "".join(", " + self._clause(fact, "trailing") for fact in sentence.cores[1:])
        return f"{fronts}{subject} {verbs}{trailing}"

    def _clause(self, fact: _Fact, place: str) -> str:
        template = self._choose(getattr(CLAUSES[fact.name], place))
        if fact.name != "emotion":
            return template.format(fact.text)
        noun, adjective = emotion_phrase(fact.text, "noun"), emotion_phrase(fact.text, "adjective")
        return template.format(his=self.possessive, noun=noun, adjective=adjective)

    def _choose(self, templates: Sequence[str]) -> str:
        """A template that begins differently from all before, if there is one."""
        template = self.draws.pick([text for text in templates if text[:3] not in self.begun] or templates)
        self.begun.add(template[:3])
        return template


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
