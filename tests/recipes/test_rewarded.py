"""The table of a rewarded stage: its figures by hand, on answers written by hand."""

import pytest
from Tiny.rewarded import HEADER, Row, Sound, measures, shown, whole

from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.metrics.answers import Answered

LOUD = Measures(f0_hertz=100.0, level_decibels=-5.0, gender_log_odds=-5.0)  # a man, loud
CLIPS = [
    Sound(Utterance("a", "-", transcript="go on now", emotion="sad", gender="male", volume="high"), LOUD, LOUD),
    Sound(Utterance("b", "-", transcript="go", emotion="angry", gender="male", volume="high"), LOUD, LOUD),
    Sound(Utterance("c", "-", transcript="go", emotion="angry", gender="male", volume="high"), LOUD, LOUD),
]
WRONG = 'A woman with low volume speaks, stating, "{}", sounding sad.'
RIGHT = 'A man with high volume speaks, stating, "{}", sounding {}.'


def answered(texts, sure=0.5):
    rows = {"sad": sure, "angry": 1 - sure}
    return [Answered(clip.utterance.record(), text, None, rows) for clip, text in zip(CLIPS, texts, strict=True)]


@pytest.fixture(scope="module")
def found():
    before = answered([WRONG.format("go on"), WRONG.format("go"), WRONG.format("go")])
    after = answered([RIGHT.format("go on now", "sad"), RIGHT.format("go", "angry"), WRONG.format("go")])
    return measures(CLIPS, [before, after])


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("claims an answer", [2, 2, 2], [2, 2, 2]),
        ("contradicted claims an answer", [2, 2, 2], [0, 0, 2]),
        ("supported claims an answer", [0, 0, 0], [2, 2, 0]),
        ("contradicted: gender", [1, 1, 1], [0, 0, 1]),
        ("contradicted: volume", [1, 1, 1], [0, 0, 1]),
        ("the corpus's gender, %", [0, 0, 0], [100, 100, 0]),
        ("UA, %", [150, 0, 0], [150, 75, 0]),  # two classes: 3 / (2 * 1) and 3 / (2 * 2); means of 50 and 75
        ("WER, %", [60, 0, 0], [0, 0, 0]),  # one of five words is wrong: 20
    ],
)
def test_a_measure_has_a_value_for_each_clip_and_its_mean_is_the_figure(found, name, before, after):
    assert found[name] == [pytest.approx(before), pytest.approx(after)]


def test_a_line_has_the_means_the_paired_difference_and_its_interval():
    row = Row("x", [2.0, 2.0, 2.0, 2.0], [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert dict(zip(HEADER, shown(row), strict=True)) == {
        "of the test clips": "x",
        "before": "2.00",
        "after, mean of the seeds": "0.50",
        "by seed": "1.00 0.00",
        "difference, 95 % interval": "-1.50 (-1.50 to -1.50)",
        "p": "0",
    }


def test_what_belongs_to_no_clip_is_counted_over_all():
    texts = [RIGHT.format("go on now", "sad"), RIGHT.format("go", "angry"), WRONG.format("go")]
    rows = {name: (before, after) for name, before, after in whole([answered(texts), answered([texts[0]] * 3, 0.9)])}
    assert rows["distinct wordings"] == ("1.00", [1.0])
    assert rows["commonest emotion, % of answers"] == ("66.67", [100.0])
    assert rows["calibration error, %"][1] == [pytest.approx(100 * (0.9 - 1 / 3))]
