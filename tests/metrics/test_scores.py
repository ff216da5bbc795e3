"""Answers against references, as the Brain, the evaluation and the demo report them."""

import io
import math

import pytest

from speechbrain_xser.answer import Descriptors, Record, render
from speechbrain_xser.metrics import AttributeAccuracy, EmphasisScore, Scores, score, table

TRUTH = Record("the dog ran", Descriptors("male", "child", "low", "high", "fast", emphasis=("dog",)), "sad")


def test_a_perfect_answer_is_perfect_in_every_variant():
    answers = [render(TRUTH, variant) for variant in range(3)]
    everything = {"gender": 100.0, "age": 100.0, "pitch": 100.0, "volume": 100.0, "speed": 100.0}
    assert score([TRUTH] * 3, answers) == Scores(100.0, 0.0, 100.0, 100.0, everything, 100.0)


def test_no_answer_is_all_wrong():
    nothing = {"gender": 0.0, "age": 0.0, "pitch": 0.0, "volume": 0.0, "speed": 0.0}
    assert score([TRUTH], [""]) == Scores(0.0, 100.0, 0.0, 0.0, nothing, 0.0)


def test_a_wrong_answer_is_still_a_parsed_one():
    wrong = TRUTH._replace(transcript="a cat sat", emotion="happy")
    found = score([TRUTH], [render(wrong)])
    assert (found.parsed, found.wer, found.wa, found.attributes["pitch"]) == (100.0, 100.0, 0.0, 100.0)


def test_an_answer_that_leaves_a_label_out_is_not_parsed():
    partial = TRUTH._replace(descriptors=TRUTH.descriptors._replace(pitch=None))
    found = score([TRUTH, TRUTH], [render(partial), render(TRUTH)])
    assert (found.parsed, found.attributes["pitch"], found.attributes["speed"]) == (50.0, 50.0, 100.0)


def test_an_answer_without_a_quote_is_an_empty_hypothesis():
    assert score([Record("a b c")], ["A man speaks: a b c."]).wer == 100.0


def test_fields_that_no_reference_has_have_no_score():
    found = score([Record(emotion="sad")], [render(TRUTH)])
    assert found.attributes == {} and math.isnan(found.wer) and math.isnan(found.emphasis_f1)


def test_no_utterances_have_no_scores():
    assert math.isnan(score([], []).parsed)


def test_a_missing_answer_is_refused():
    with pytest.raises(ValueError):
        score([TRUTH, TRUTH], [""])


def test_a_descriptor_is_scored_only_where_the_reference_has_it():
    accuracy = AttributeAccuracy()
    told = [Descriptors(pitch="low"), Descriptors(), Descriptors(pitch="high", topic="News, sports")]
    found = [Descriptors(pitch="low"), Descriptors(pitch="low"), Descriptors(pitch="low", topic="news sports")]
    accuracy.append(["a", "b", "c"], told, found)
    assert accuracy.summarize() == {"pitch": 50.0, "topic": 100.0}
    stream = io.StringIO()
    accuracy.write_stats(stream)
    assert stream.getvalue() == "pitch 50.00 % of 2\ntopic 100.00 % of 1\n"


def test_false_emphasis_costs_precision():
    emphasis = EmphasisScore()
    emphasis.append(["a", "b"], [("dog",), ()], [("dog",), ("cat",)])
    assert emphasis.summarize("F1") == pytest.approx(200 / 3)  # precision 1/2, recall 1


def test_a_repeated_word_counts_as_often_as_it_is_said():
    emphasis = EmphasisScore()
    emphasis.append(["a"], [("no", "no")], [("no",)])
    assert emphasis.summarize() == {"F1": pytest.approx(200 / 3), "hits": 1, "wanted": 2, "found": 1}


def test_a_table_has_a_column_for_each_model_and_a_dash_for_the_unknown():
    text = table({"ours": score([TRUTH], [render(TRUTH)]), "theirs": score([Record(emotion="sad")], [""])})
    rows = {line[:20].strip(): line[20:].split() for line in text.splitlines()}
    assert rows["measure (%)"] == ["ours", "theirs"]
    assert rows["WER (less is better)"] == ["0.0", "-"]
    assert rows["pitch right"] == ["100.0", "-"]
    assert len({len(line) for line in text.splitlines()}) == 1
