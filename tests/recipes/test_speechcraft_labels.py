"""SpeechCraft's label strings: their variations, and the genuine file if present."""

import json
from collections import Counter

import pytest
from SpeechCraft.labels import read_labels

from speechbrain_xser.errors import LabelError
from tests.genuine import DATA

GENUINE = DATA / "annotations" / "speechcraft" / "labels_LJspeech_0.json"


@pytest.mark.skipif(not GENUINE.is_file(), reason=f"SpeechCraft's label file is not here: {GENUINE}; set XSER_DATA")
def test_every_label_string_of_the_genuine_file_is_read():
    labels = [read_labels(entry["labels"]) for entry in json.loads(GENUINE.read_text()).values()]
    assert len(labels) == 220 and not any(label.unknown_words for label in labels)
    assert Counter(label.record.descriptors.age for label in labels) == {"elderly": 219, "middle-aged": 1}
    assert Counter(label.record.descriptors.gender for label in labels) == {"male": 218, "female": 2}
    assert Counter(label.record.descriptors.speed for label in labels) == {"fast": 74, "normal": 79, "slow": 67}
    assert all(label.record.transcript for label in labels)


def test_a_transcript_may_stand_first_and_hold_colons():
    record = read_labels("transcription: He said: age: is a number\temotion:sad").record
    assert record.transcript == "He said: age: is a number" and record.emotion == "sad"


@pytest.mark.parametrize(
    "written, age",
    [("Youth", "youth adult"), ("young", "youth adult"), ("teenage", "teenager"), (" old", "elderly")],
)
def test_other_age_words_are_looked_up(written, age):
    assert read_labels(f"age:{written}").record.descriptors.age == age


def test_adult_alone_is_ambiguous_and_is_returned_unread():
    labels = read_labels("age:Adult\tgender:male")
    assert labels.record.descriptors.age is None and labels.unknown_words == ("age:Adult",)


def test_the_word_unknown_gives_none():
    labels = read_labels("emotion:unknown\tage:")
    assert labels.record.emotion is None and labels.unknown_words == ()


@pytest.mark.parametrize("line", ["", "He went to Bethlehem", "age:old\tage:young"])
def test_a_string_that_is_not_a_label_is_refused(line):
    with pytest.raises(LabelError, match="expected 'age:"):
        read_labels(line)
