"""Files of answers, as a run writes them: read, checked, and scored with intervals; several against the first."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.record import Record
from speechbrain_xser.data.manifest import Utterance, check_characters
from speechbrain_xser.errors import ManifestError, MetricError
from speechbrain_xser.metrics.asr import WordErrorRate
from speechbrain_xser.metrics.scores import Scores, score
from speechbrain_xser.metrics.significance import Interval, bootstrap_interval, holm, mcnemar_test
from speechbrain_xser.metrics.text import normalise
from speechbrain_xser.utils.files import written_beside


class Answered(NamedTuple):
    """One utterance as a system answered it."""

    reference: Record  # what is true
    answer: str  # the system's text
    utterance: Utterance | None = None  # what the manifest told of it
    probabilities: dict[str, float] | None = None  # of each emotion, where the run took them


class UtteranceAnswer(NamedTuple):
    """What the model answered for an utterance."""

    utterance: Utterance
    text: str
    probabilities: dict[str, float] | None = None  # of each emotion, where the answer names one and a test was made


class Comparison(NamedTuple):
    """A system's scores, beside those of the first one."""

    scores: Scores
    intervals: dict[str, Interval]  # 95 %, of ua, wa and wer
    p_value: float | None  # McNemar's on the emotion against the first system, Holm-corrected; None for the first


def write_answers(path: str | Path, answers: Sequence[UtteranceAnswer]) -> None:
    """Writes what the model answered beside what is true: ``id``, ``answer`` and the reference record, JSON lines.

    An answer that names an emotion has ``probabilities`` too.

    Arguments
    ---------
    path : str or Path
        Of the file.
    answers : sequence of UtteranceAnswer
        From an evaluation.
    """
    lines = [_row(answer) for answer in answers]
    with written_beside(path) as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _row(answer: UtteranceAnswer) -> dict[str, Any]:
    row = {"id": answer.utterance.id, "answer": answer.text, "reference": answer.utterance._asdict()}
    return row if answer.probabilities is None else row | {"probabilities": answer.probabilities}


def read_answers(path: str | os.PathLike) -> dict[str, Answered]:
    """Reads a file of answers.

    Arguments
    ---------
    path : str or path-like
        JSONL with ``id``, ``answer`` and ``reference``, the manifest's record.

    Returns
    -------
    dict of str to Answered
        By utterance, in the file's order.

    Raises
    ------
    MetricError
        Naming file, line and utterance: no JSON, a missing field, an id that was there before, a reference with nothing
        to score or with a label outside its vocabulary.

    Example
    -------
    >>> path = getfixture("tmp_path") / "answers.jsonl"
    >>> row = {"id": "a", "answer": "A man sounds sad.", "reference": {"emotion": "sad"}}
    >>> _ = path.write_text(json.dumps(row))
    >>> read_answers(path)["a"].reference.emotion
    'sad'
    """
    found: dict[str, Answered] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    id, answered = _answered(line, f"{path}, line {number}")
                    if id in found:
                        raise MetricError(f"{path}, line {number}: utterance {id!r} occurs twice. Drop one.")
                    found[id] = answered
    except (OSError, UnicodeDecodeError) as error:
        raise MetricError(
            f"{path}: {getattr(error, 'strerror', None) or error}, expected a file of answers."
        ) from error
    if not found:
        raise MetricError(f"{path}: no answers; expected one per line.")
    return found


def _answered(line: str, where: str) -> tuple[str, Answered]:
    try:
        row = json.loads(line)
        id, answer, fields = row["id"], row["answer"], dict(row["reference"])
        probabilities = {name: float(value) for name, value in (row.get("probabilities") or {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetricError(f"{where}: no line with id, answer and reference ({error}).") from error
    known = {field: fields[field] for field in Utterance._fields if field in fields}
    utterance = Utterance(**{"id": id, "wav": "", **known, "emphasis": tuple(known.get("emphasis") or ()) or None})
    try:
        check_characters({**utterance._asdict(), "answer": answer}, f"{where}, utterance {id!r}")
        reference = check_labels(utterance.record(), f"{where}, utterance {id!r}")
    except ManifestError as error:
        raise MetricError(str(error)) from error
    if reference == Record():
        raise MetricError(f"{where}: utterance {id!r} has an empty reference; expected a text to score.")
    return id, Answered(reference, answer or "", utterance, probabilities or None)


def compare(systems: Mapping[str, Mapping[str, Answered]]) -> dict[str, Comparison]:
    """Scores systems on the same utterances.

    Arguments
    ---------
    systems : mapping of str to mapping of str to Answered
        Answers by utterance, by system; the first system is the one that others are compared with.

    Returns
    -------
    dict of str to Comparison
        By system.

    Raises
    ------
    MetricError
        If the systems did not answer the same utterances; names them.

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
    """Whether each utterance's emotion was named, in one order."""
    return [parse(answers[id].answer).emotion == answers[id].reference.emotion for id in order]


def _scores(answers: Sequence[Answered]) -> Scores:
    return score([answered.reference for answered in answers], [answered.answer for answered in answers])


def _intervals(answers: Sequence[Answered]) -> dict[str, Interval]:
    """Of each rate that the references tell, the answers parsed once."""
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
    """Errors and words of one utterance.

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
