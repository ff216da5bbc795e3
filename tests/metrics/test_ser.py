"""UA, WA and confusions: by hand and against scikit-learn."""

import io
import math
import random

import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.metrics import EmotionScore


def scores(references, found):
    metric = EmotionScore()
    metric.append([str(n) for n in range(len(references))], references, found)
    return metric


def test_the_majority_guess_has_high_wa_and_chance_ua():
    metric = scores(["neutral"] * 8 + ["sad", "angry"], ["neutral"] * 10)
    assert metric.summarize() == {
        "UA": pytest.approx(100 / 3),
        "WA": 80.0,
        "macro_F1": pytest.approx(100 * (2 * 0.8 / 1.8) / 3),  # precision 0.8, recall 1; the two others 0
        "weighted_F1": pytest.approx(80 * (2 * 0.8 / 1.8)),
        "count": 10,
    }


def test_f1_is_that_of_scikit_learn_over_the_references_classes():
    sklearn = pytest.importorskip("sklearn.metrics")
    draw = random.Random(3)
    references = [draw.choice(EMOTIONS[:4]) for _ in range(200)]
    found = [draw.choice([reference, *EMOTIONS[:5], None]) for reference in references]
    told, summary = [name or "unparsed" for name in found], scores(references, found).summarize()
    for average in ("macro", "weighted"):
        wanted = sklearn.f1_score(references, told, labels=EMOTIONS[:4], average=average)
        assert summary[f"{average}_F1"] == pytest.approx(100 * wanted)


def test_an_unparsed_answer_is_wrong_and_not_neutral():
    metric = scores(["neutral", "neutral"], ["neutral", None])
    assert metric.summarize("UA") == metric.summarize("WA") == 50.0
    assert metric.confusions()[0] == [1, 0, 0, 0, 0, 0, 0, 1]


def test_classes_that_no_reference_has_do_not_count():
    assert scores(["sad", "happy"], ["angry", "happy"]).summarize("UA") == 50.0


def test_unknown_references_are_left_out():
    assert scores([None, "sad"], ["sad", "sad"]).summarize("count") == 1


def test_without_references_there_is_no_score():
    assert math.isnan(EmotionScore().summarize("UA")) and math.isnan(EmotionScore().summarize("WA"))


def test_scores_are_those_of_scikit_learn():
    draw = random.Random(0)
    references = draw.choices(EMOTIONS, weights=range(1, 8), k=500)
    found = [reference if draw.random() < 0.5 else draw.choice(EMOTIONS) for reference in references]
    metric = scores(references, found)
    assert metric.summarize("WA") == pytest.approx(100 * accuracy_score(references, found))
    assert metric.summarize("UA") == pytest.approx(100 * balanced_accuracy_score(references, found))
    expected = confusion_matrix(references, found, labels=list(EMOTIONS)).tolist()
    assert [row[:-1] for row in metric.confusions()] == expected


def test_the_results_are_plain_numbers():
    assert all(type(value) in (float, int) for value in scores(["sad"], ["sad"]).summarize().values())


def test_statistics_are_written_with_the_confusions():
    stream = io.StringIO()
    scores(["sad"], [None]).write_stats(stream)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "UA 0.00 %, WA 0.00 %, 1 utterances"
    assert lines[4].split() == ["sad", "0", "0", "0", "0", "0", "0", "0", "1"]
    assert lines[-1] == "0 ref: sad hyp: unparsed"
