"""Files can be read by other libraries, or match their specification letter by letter."""

import csv
import io
import json
from types import SimpleNamespace

import pytest
import srt
import webvtt

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.source import Source
from speechbrain_xser.timeline.subtitles import srt_text, vtt_text
from speechbrain_xser.timeline.text_formats import csv_text, json_text, jsonl_text, rttm_text, table_text

HARD = 'He said "a --> b",\n\n<i>R&D</i>; naïve'


def source(fault=None):
    recording = SimpleNamespace(path="talks/my talk.opus", read_seconds=400002.0, fault=fault)
    return Source(recording, "a/model", ("sad", "angry"), Cutting())


def moment(start=1.25, end=2.0, words=HARD, emotion="angry"):
    descriptors = Descriptors(gender="male", emphasis=("never", "ever"))
    return Moment(start, end, Explanation("A man.", words, descriptors, emotion, {"sad": 0.123456, "angry": 0.876544}))


MOMENTS = [moment(), moment(3.0, 4.0, None, None), moment(400000.0, 400001.0625, "late", "bored")]


def text(writer, moments=MOMENTS, **told):
    return "".join(writer(moments, source(**told)))


def test_json_is_one_object_with_all_of_it():
    found = json.loads(text(json_text))
    assert (found["recording"], found["model"], found["seconds"], found["fault"]) == (
        "my talk.opus", "a/model", 400002.0, None)  # fmt: skip
    assert found["settings"]["max_seconds"] == 15.0 and [row["emotion"] for row in found["moments"]] == [
        "angry", None, "bored"]  # fmt: skip
    assert found["moments"][0]["transcript"] == HARD and found["moments"][0]["probabilities"]["sad"] == 0.1235


def test_json_of_nothing_is_an_empty_list():
    assert json.loads(text(json_text, []))["moments"] == []


def test_json_says_what_was_wrong_with_the_recording():
    assert json.loads(text(json_text, fault=ValueError('cut "off"')))["fault"] == 'cut "off"'


def test_a_line_of_json_is_a_moment():
    rows = [json.loads(line) for line in text(jsonl_text).splitlines()]
    assert [row["start_seconds"] for row in rows] == [1.25, 3.0, 400000.0]


def test_csv_has_a_column_for_everything():
    rows = list(csv.DictReader(io.StringIO(text(csv_text))))
    assert rows[0]["transcript"] == HARD and rows[0]["emphasis"] == "never ever" and rows[0]["p_angry"] == "0.8765"
    assert rows[1]["transcript"] == rows[1]["emotion"] == rows[1]["age"] == ""
    assert rows[2]["end_seconds"] == "400001.062"


def test_csv_of_nothing_is_its_header():
    assert text(csv_text, []).startswith("start_seconds,end_seconds,emotion,p_sad,p_angry,transcript,gender,")


def test_srt_is_read_back_by_another_library():
    cues = list(srt.parse(text(srt_text)))
    assert [cue.index for cue in cues] == [1, 2, 3]
    assert [cue.start.total_seconds() for cue in cues] == [1.25, 3.0, 400000.0]
    assert cues[2].end.total_seconds() == 400001.062
    assert [cue.content for cue in cues] == [
        '[angry 88 %] He said "a -> b", <i>R&D</i>; naïve', "[unknown]", "[bored] late"]  # fmt: skip


def test_webvtt_is_read_back_by_another_library():
    found = webvtt.from_string(text(vtt_text))
    assert [cue.start for cue in found] == ["00:00:01.250", "00:00:03.000", "111:06:40.000"]
    assert found[0].text == '[angry 88 %] He said "a --&gt; b", &lt;i&gt;R&amp;D&lt;/i&gt;; naïve'


def test_subtitles_of_nothing_are_empty_files_of_their_kind():
    assert text(srt_text, []) == "" and text(vtt_text, []) == "WEBVTT\n\n"


def test_rttm_has_ten_fields_and_no_space_in_any():
    lines = text(rttm_text).splitlines()
    assert lines == [
        "SPEAKER my_talk 1 1.250 0.750 <NA> <NA> angry 0.8765 <NA>",
        "SPEAKER my_talk 1 3.000 1.000 <NA> <NA> <NA> <NA> <NA>",
        "SPEAKER my_talk 1 400000.000 1.062 <NA> <NA> bored <NA> <NA>",
    ]
    assert all(len(line.split()) == 10 for line in lines)


@pytest.mark.parametrize("words", [HARD, None])
def test_a_line_of_the_table_is_a_line(words):
    assert len(text(table_text, [moment(words=words)]).splitlines()) == 3
