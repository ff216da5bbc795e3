"""Tables from users: separators, quotation marks, byte order marks and faults."""

import json
from collections import Counter
from pathlib import Path

import pytest

from speechbrain_xser.data.tables import read_table
from speechbrain_xser.data.words import EMOTION_WORDS, age_of, plain_word
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

LISTS = DATA / "annotations"
needs_lists = pytest.mark.skipif(
    not LISTS.is_dir(), reason="the annotation files are not here: set XSER_DATA to the folder with annotations/"
)


def written(folder: Path, text: str, name: str = "clips.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_header_s(tmp_path, separator):
    text = f"path{separator}text\r\na.wav{separator}yes\r\n"
    assert read_table(written(tmp_path, text)) == [{"path": "a.wav", "text": "yes"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path, encoding):
    assert read_table(written(tmp_path, "path,text\na.wav,é\n", encoding=encoding)) == [{"path": "a.wav", "text": "é"}]


def test_a_quoted_cell_has_commas_lines_and_quotation_marks(tmp_path):
    path = written(tmp_path, 'path,text\na.wav,"One, ""two""\nthree"\n')
    assert read_table(path)[0]["text"] == 'One, "two"\nthree'


def test_a_quotation_mark_in_a_table_with_tabs_is_text_and_swallows_no_line(tmp_path):
    rows = read_table(written(tmp_path, 'path\tsentence\na.wav\t"Go, he said.\nb.wav\t"He said ""go""."\n', "c.tsv"))
    assert [row["sentence"] for row in rows] == ['"Go, he said.', 'He said "go".']


def test_jsonl_keeps_numbers_and_skips_empty_lines(tmp_path):
    path = written(tmp_path, '{"path": "a.wav", "age": 31}\n\n{"path": "b.wav"}\n', "clips.jsonl")
    assert read_table(path) == [{"path": "a.wav", "age": 31}, {"path": "b.wav"}]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('[{"path": "a"}]', [{"path": "a"}]),
        ('{"labels": {"sad": 0}, "clips": [{"path": "a"}]}', [{"path": "a"}]),
        ('{"x": {"path": "a"}}', [{"key": "x", "path": "a"}]),
    ],
)
def test_json_has_one_of_three_forms(tmp_path, content, rows):
    assert read_table(written(tmp_path, content, "clips.json")) == rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.csv", "", "empty.csv: no row"),
        ("header.csv", "path,text\n", "header.csv: no row"),
        ("short.csv", "path,text\na.wav,b,c\n", "short.csv, line 2: 3 cells, expected 2"),
        ("twice.csv", "path,path\na.wav,b\n", r"columns \['path'\] occur twice"),
        ("cut.jsonl", '{"path": "a"}\n{"pa', "cut.jsonl, line 2: not JSON"),
        ("list.jsonl", "[1]\n", "list.jsonl, line 1: list, expected an object"),
        ("two.json", '{"a": [], "b": []}', "two.json: 2 lists of clips"),
        ("number.json", "3", "number.json: 0 lists of clips"),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_line(tmp_path, name, text, message):
    with pytest.raises(ManifestError, match=message):
        read_table(written(tmp_path, text, name))


def test_a_table_that_is_missing_or_not_text_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="absent.csv: No such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(ManifestError, match="byte 5 is not UTF-8"):
        read_table(written(tmp_path, "path\né", encoding="latin-1"))


@needs_lists
def test_published_tables_have_their_published_numbers_of_rows():
    rows = {
        "meld/dev_sent_emo.csv": 1109,
        "emns/emns_test.csv": 241,
        "iemocap_s3prl/Session1_test_meta_data.json": 1085,
        "emobox/meld/fold_1/meld_valid_fold_1.json": 1108,
        "emobox/ravdess/fold_1/ravdess_test_fold_1.jsonl": 240,
        "ears/speaker_statistics.json": 107,
    }
    assert {name: len(read_table(LISTS / name)) for name in rows} == rows


@needs_lists
def test_every_known_emotion_of_the_published_lists_is_read():
    words = Counter(plain_word(row["Emotion"]) for row in read_table(LISTS / "meld" / "test_sent_emo.csv"))
    for corpus in ("ravdess", "cremad", "iemocap", "meld", "emodb"):
        words.update(map(plain_word, json.loads((LISTS / "emobox" / corpus / "label_map.json").read_text())))
    assert set(words) - set(EMOTION_WORDS) == {"calm", "boredem", "exc"}


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (12, "child"),
        ("13", "teenager"),
        (39.0, "youth adult"),
        ("40 years old", "middle-aged"),
        ("20s", "youth adult"),
        ("fourties", "middle-aged"),
        ("60-64", "elderly"),
        ("18-25", None),  # a teenager or a youth adult
        ("999", None),
        ("prefer not to answer", None),
        (None, None),
    ],
)
def test_an_age_is_read_if_it_is_in_one_band(value, band):
    assert age_of(value) == band
