"""Files of answers, tables and labels that once ended in an error of Python's own, or in none for minutes."""

import json

import pytest

from speechbrain_xser.data.emotioncot import match, read_labels
from speechbrain_xser.data.importing import Importer
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.ratings import read_votes
from speechbrain_xser.data.tables import read_table
from speechbrain_xser.errors import ManifestError, MetricError, XserError
from speechbrain_xser.metrics.answers import MAX_ANSWER, read_answers

CONTENTS = ("[" * 100_000, '{"id": ' + "9" * 5000 + "}", "\ud800", '{"id": ' + "[" * 900 + "]" * 900 + "}")


def labels(path):
    return list(read_labels(path))


NO_LABELS = ({"stressed_words": 5}, {"audio_path": ""}, {"audio_path": "/"}, {"audio_path": "\\"})
ROW = {"id": "a", "answer": "He is sad.", "reference": {"emotion": "sad"}}


@pytest.mark.parametrize("reader", [read_manifest, read_votes, read_table, read_answers, labels])
@pytest.mark.parametrize("content", CONTENTS)
def test_no_reader_has_an_error_of_its_own_for_what_is_hardly_json(reader, content, tmp_path):
    (tmp_path / "a.jsonl").write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(XserError):
        reader(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    "change",
    [
        {"id": ["a"]},
        {"id": 7},
        {"answer": {"text": "He is sad."}},
        {"answer": "so " * MAX_ANSWER},
        {"reference": {"emotion": ["sad"]}},
        {"reference": {"emphasis": 5}},
        {"reference": {"transcript": 10**300}},
        {"reference": {"transcript": 5}},
        {"probabilities": {"sad": 10**400}},
        {"probabilities": ["sad"]},
    ],
)
def test_an_answer_of_another_kind_is_named_by_its_line(change, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {"id": "b"} | change))
    with pytest.raises(MetricError, match="a.jsonl, line 2"):
        read_answers(tmp_path / "a.jsonl")


@pytest.mark.parametrize("change", NO_LABELS)
def test_labels_of_no_file_or_with_words_that_are_no_list_are_named_by_their_line(change, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"audio_path": "/x/a.wav"} | change))
    with pytest.raises(ManifestError, match="a.jsonl, line 1"):
        match(list(read_labels(tmp_path / "a.jsonl")), ["a.wav"])


@pytest.mark.parametrize("path", [".", "..", "/", "a" * 5000, "a\0b.wav", "\ud800.wav"])
def test_a_path_that_no_file_can_have_is_still_a_row_of_a_table(path, tmp_path):
    [clip] = Importer({"wav": "path"}, "odd", tmp_path, tmp_path).utterances([{"path": path}])
    assert clip.wav.endswith(path)

