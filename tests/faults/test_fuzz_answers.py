"""Odd files of answers, as they are scored and compared."""

import json
from functools import partial
from pathlib import Path
from random import Random

from speechbrain_xser.answer.render import render
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.metrics.answers import compare, read_answers
from tests.faults.fuzzing import Case, outcomes
from tests.faults.spoiling import TEXTS, chance, odd_fields, odd_lines

TRUE = Utterance("a", "a.wav", transcript="so it is", emotion="sad", gender="male", pitch="low", emphasis=("so",))
ANSWER = render(TRUE.record())


def odd_answer(random: Random) -> str:
    """A paragraph that a model could have written."""
    text = random.choice((ANSWER, ANSWER, *TEXTS, ANSWER * 50, "so " * 3000, "(" * 5000, '"' * 5000))
    place = random.randrange(len(text) + 1)
    return text if chance(random, 0.5) else text[place:] + random.choice(TEXTS) + text[:place]


def odd_rows(random: Random) -> list[dict]:
    """Lines of an answer file."""
    rows = []
    for id in random.choice(("abc", "ab", "aa")):
        reference = odd_fields(TRUE._replace(id=id)._asdict(), random) if chance(random, 0.3) else TRUE._asdict()
        rows.append({"id": id, "answer": odd_answer(random), "reference": reference, "probabilities": {"sad": 0.5}})
    return rows


def scored(first: Path, second: Path) -> None:
    """Both files, as ``xser score`` does."""
    compare({"first": read_answers(first), "second": read_answers(second)})


def cases(random: Random, folder: Path) -> Case:
    """Two files, of which one may be the other."""
    first, second = folder / "a.jsonl", folder / "b.jsonl"
    if chance(random, 0.5):
        first.write_bytes(odd_lines(odd_rows(random), random))
    else:
        first.write_text("\n".join(json.dumps(row) for row in odd_rows(random)), encoding="utf-8")
    second.write_bytes(first.read_bytes() if chance(random, 0.7) else odd_lines(odd_rows(random), random))
    return partial(scored, first, second)


def test_an_odd_file_of_answers_is_scored_or_gives_one_of_our_errors():
    found = outcomes("answers")
    assert found["result"] and found["MetricError"]
