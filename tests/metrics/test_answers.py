"""Answer files: read strictly, scored with intervals, compared on the same utterances."""

import json
import math

import pytest
from click.testing import CliRunner

from speechbrain_xser.answer import Descriptors, Record, render
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import MetricError
from speechbrain_xser.metrics.answers import Answered, compare, read_answers

EMOTIONS = ("sad", "happy", "angry")


def rows(count: int, right: int) -> list[dict]:
    """The first answers are correct; the others have another emotion and no words."""
    found = []
    for number in range(count):
        emotion = EMOTIONS[number % 3]
        truth = Record(f"word number {number}", Descriptors(gender="male"), emotion)
        wrong = Record(None, Descriptors(gender="male"), EMOTIONS[(number + 1) % 3])
        reference = {"id": f"c{number}", "transcript": truth.transcript, "emotion": emotion, "gender": "male"}
        answer = render(truth if number < right else wrong)
        found.append({"id": f"c{number}", "answer": answer, "reference": reference})
    return found


def write(folder, name, found):
    (folder / name).mkdir(exist_ok=True)
    path = folder / name / "test_answers.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in found))
    return path


def test_rates_are_those_of_the_table_and_lie_in_their_intervals(tmp_path):
    found = compare({"ours": read_answers(write(tmp_path, "ours", rows(60, 45)))})["ours"]
    assert found.scores.wa == 75.0 and found.scores.wer == 25.0 and found.p_value is None
    for name in ("ua", "wa", "wer"):
        low, value, high = found.intervals[name]
        assert value == pytest.approx(getattr(found.scores, name)) and low < value < high
    deviation = 100 * math.sqrt(0.75 * 0.25 / 60)
    assert found.intervals["wa"].high - found.intervals["wa"].low == pytest.approx(2 * 1.96 * deviation, rel=0.2)


def test_the_p_value_is_mcnemar_s_whatever_the_order_of_the_lines(tmp_path):
    first = read_answers(write(tmp_path, "a", rows(60, 50)))
    second = read_answers(write(tmp_path, "b", rows(60, 40)[::-1]))
    third = read_answers(write(tmp_path, "c", rows(60, 50)))
    found = compare({"a": first, "b": second, "c": third})
    assert found["b"].p_value == pytest.approx(2 * (2 / 2**10))  # ten lost, none won; twice for two comparisons
    assert found["c"].p_value == 1.0 and found["b"].scores.wa == pytest.approx(100 * 40 / 60)


@pytest.mark.parametrize(
    "line, told",
    [
        ("{", "line 2: not JSON .* Expected an object with id, answer and reference"),
        ({"id": "x", "answer": "A man."}, "line 2: no line with id, answer and reference"),
        ({"id": "c0", "answer": "", "reference": {"emotion": "sad"}}, "line 2: utterance 'c0' occurs twice"),
        ({"id": "x", "answer": "", "reference": {}}, "utterance 'x' has an empty reference"),
        ({"id": "x", "answer": "", "reference": {"emotion": "bored"}}, "utterance 'x': emotion is 'bored'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, told):
    with pytest.raises(MetricError, match=told):
        read_answers(write(tmp_path, "a", [rows(1, 1)[0], line]))


def test_a_file_without_answers_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(MetricError, match="no answers"):
        read_answers(write(tmp_path, "a", []))
    with pytest.raises(MetricError, match="No such file"):
        read_answers(tmp_path / "nothing.jsonl")


def test_systems_that_answered_other_utterances_are_refused_by_id():
    truth = Record(emotion="sad")
    with pytest.raises(MetricError, match="2 utterances are only in ours or only in theirs: a, b"):
        compare({"ours": {"a": Answered(truth, "")}, "theirs": {"b": Answered(truth, "")}})


def test_an_unparsed_answer_is_wrong_and_a_reference_without_words_is_not_counted():
    truth = {
        "a": Answered(Record("...", emotion="sad"), "I cannot tell."),
        "b": Answered(Record(emotion="happy"), "Joy."),
    }
    found = compare({"ours": truth})["ours"]
    assert found.intervals["wa"].value == 50.0 and "wer" not in found.intervals


def test_the_command_prints_tables_and_json(tmp_path):
    paths = [str(write(tmp_path, name, rows(30, right))) for name, right in (("one", 25), ("two", 15))]
    done = CliRunner().invoke(xser, ["score", *paths])
    assert done.exit_code == 0 and "UA" in done.output and "p (emotion, against the first)" in done.output
    numbers = json.loads(CliRunner().invoke(xser, ["score", *paths, "--json"]).output)
    assert numbers["two"]["scores"]["wa"] == 50.0 and numbers["one"]["p_value"] is None
    refused = CliRunner().invoke(xser, ["score", paths[0], paths[0]])
    assert refused.exit_code == 2
    assert refused.output == "error: The same file is given twice; expected different files.\n"
