"""Reads, checks and scores the answer files that a run writes, with intervals; compares systems with the first."""

from __future__ import annotations

import json
import math
import os
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.record import Record
from speechbrain_xser.data.manifest import Utterance, check_characters, check_types
from speechbrain_xser.errors import ManifestError, MetricError
from speechbrain_xser.metrics.asr import WordErrorRate
from speechbrain_xser.metrics.scores import Scores, score
from speechbrain_xser.metrics.significance import Interval, bootstrap_interval, holm, mcnemar_test
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.user_file import json_value, text_lines

MAX_ANSWER = 20_000  # characters; comparing words takes time with the square of their number


class Answered(NamedTuple):
    """The answer of a system for one utterance."""

    reference: Record  # the true labels
    answer: str  # the system's text
    utterance: Utterance | None = None  # its line of the manifest
    probabilities: dict[str, float] | None = None  # of each emotion, if the run stored them


class UtteranceAnswer(NamedTuple):
    """The model's answer for an utterance."""

    utterance: Utterance
    text: str
    probabilities: dict[str, float] | None = None  # of each emotion, in a test, if the answer names one


class Comparison(NamedTuple):
    """A system's scores, compared with the first system's."""

    scores: Scores
    intervals: dict[str, Interval]  # 95 % intervals of ua, wa and wer
    p_value: float | None  # McNemar's test on the emotion against the first, Holm-corrected; None for the first


def write_answers(path: str | Path, answers: Sequence[UtteranceAnswer]) -> None:
    """Writes answers with their references as JSON lines: ``id``, ``answer``, ``reference``, ``probabilities``."""
    lines = [_row(answer) for answer in answers]
    with written_beside(path) as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _row(answer: UtteranceAnswer) -> dict[str, Any]:
    row = {"id": answer.utterance.id, "answer": answer.text, "reference": answer.utterance._asdict()}
    return row if answer.probabilities is None else row | {"probabilities": answer.probabilities}


def read_answers(path: str | os.PathLike) -> dict[str, Answered]:
    """Reads a file of answers, by utterance: JSONL with ``id``, ``answer`` and ``reference``, the manifest's record.

    Raises
    ------
    MetricError
        For a line that is not JSON, a missing field, a repeated id, or a reference with nothing to score or a label
        outside its vocabulary. It names file, line and utterance.
    """
    found: dict[str, Answered] = {}
    for number, line in text_lines(path, MetricError, "Expected a file of answers."):
        id, answered = _answered(line, f"{path}, line {number}")
        if id in found:
            raise MetricError(f"{path}, line {number}: utterance {id!r} occurs twice. Drop one.")
        found[id] = answered
    if not found:
        raise MetricError(f"{path}: no answers; expected one per line.")
    return found


def _answered(line: str, where: str) -> tuple[str, Answered]:
    row = json_value(line, where, MetricError, "Expected an object with id, answer and reference.")
    try:
        id, answer, fields = row["id"], row["answer"], dict(row["reference"])
        probabilities = {name: float(value) for name, value in (row.get("probabilities") or {}).items()}
        known = {field: fields[field] for field in Utterance._fields if field in fields}
        emphasis = tuple(known.get("emphasis") or ()) or None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetricError(f"{where}: no line with id, answer and reference ({error}).") from error
    _check_answer(id, answer, where)
    utterance = Utterance(**{"id": id, "wav": "", **known, "emphasis": emphasis})
    try:
        check_types(utterance, f"{where}, utterance {id!r}")
        check_characters({"answer": answer}, f"{where}, utterance {id!r}")
        reference = check_labels(utterance.record(), f"{where}, utterance {id!r}")
    except ManifestError as error:
        raise MetricError(str(error)) from error
    if reference == Record():
        raise MetricError(f"{where}: utterance {id!r} has an empty reference; expected a text to score.")
    return id, Answered(reference, answer or "", utterance, probabilities or None)


def _check_answer(id: object, answer: object, where: str) -> None:
    if not isinstance(id, str) or not isinstance(answer, str | None):
        found = f"id {reprlib.repr(id)} and answer {reprlib.repr(answer)}"
        raise MetricError(f"{where}: no line with id, answer and reference ({found}, expected texts).")
    if len(answer or "") > MAX_ANSWER:
        raise MetricError(f"{where}: an answer of {len(answer)} characters, expected at most {MAX_ANSWER}. Cut it.")


def compare(systems: Mapping[str, Mapping[str, Answered]]) -> dict[str, Comparison]:
    """Scores systems on the same utterances and compares each with the first.

    Raises
    ------
    MetricError
        If the systems did not answer the same utterances; it names them.

    Example
    -------
    >>> truth = Record(emotion="sad")
    >>> ours, theirs = ({"a": Answered(truth, f"A man sounds {word}.")} for word in ("sad", "happy"))
    >>> [round(found.scores.wa) for found in compare({"ours": ours, "theirs": theirs}).values()]
    [100, 0]
    """
    (first, baseline), *others = systems.items()
    for name, answers in others:
        _check_same(first, baseline, name, answers)
    raw = [
        mcnemar_test(_right(baseline, baseline), _right(answers, baseline))
        for _, answers in others
        if len(baseline) > 1
    ]
    p_values = [None, *(holm(raw) or [None] * len(others))]
    return {
        name: Comparison(_scores(list(answers.values())), _intervals(list(answers.values())), p_value)
        for (name, answers), p_value in zip(systems.items(), p_values, strict=True)
    }


def _check_same(first: str, baseline: Mapping, name: str, answers: Mapping) -> None:
    lone = sorted(set(baseline) ^ set(answers))
    if lone:
        raise MetricError(f"{len(lone)} utterances are only in {first} or only in {name}: {', '.join(lone[:5])}.")


def _right(answers: Mapping[str, Answered], order: Mapping[str, Answered]) -> list[bool]:
    """Whether each utterance's emotion was named, in a given order."""
    return [parse(answers[id].answer).emotion == answers[id].reference.emotion for id in order]


def _scores(answers: Sequence[Answered]) -> Scores:
    return score([answered.reference for answered in answers], [answered.answer for answered in answers])


def _intervals(answers: Sequence[Answered]) -> dict[str, Interval]:
    """Intervals of each rate that the references support; each answer is parsed once."""
    found = [(answered.reference, parse(answered.answer)) for answered in answers]
    emotions = [(truth.emotion, heard.emotion) for truth, heard in found if truth.emotion]
    words = [word_errors(truth.transcript, heard.transcript) for truth, heard in found if normalise(truth.transcript)]
    intervals = {}
    if emotions:
        intervals |= {"ua": bootstrap_interval(emotions, _ua), "wa": bootstrap_interval(emotions, _wa)}
    if words:
        intervals["wer"] = bootstrap_interval(words, _wer)
    return intervals


def word_errors(reference: str, hypothesis: str | None) -> tuple[int, int]:
    """Number of errors and of reference words in one utterance.

    Example
    -------
    >>> word_errors("so it is", "so is it not")
    (2, 3)
    """
    errors = WordErrorRate()
    errors.append(["one"], [reference], [hypothesis])
    found = errors.summarize()
    return found["substitutions"] + found["deletions"] + found["insertions"], found["words"]


def _ua(pairs: list[tuple[str, str | None]]) -> float:
    wanted = Counter(truth for truth, _ in pairs)
    right = Counter(truth for truth, heard in pairs if truth == heard)
    return 100 * sum(right[name] / count for name, count in wanted.items()) / len(wanted)


def _wa(pairs: list[tuple[str, str | None]]) -> float:
    return 100 * sum(truth == heard for truth, heard in pairs) / len(pairs)


def _wer(pairs: list[tuple[int, int]]) -> float:
    words = sum(count for _, count in pairs)
    return 100 * sum(errors for errors, _ in pairs) / words if words else math.nan
