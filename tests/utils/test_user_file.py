"""Texts that a person hands in: what is read, and the one kind of error for what is not."""

import json

import pytest

from speechbrain_xser.errors import ManifestError, MetricError
from speechbrain_xser.utils.user_file import MAX_LINE_BYTES, json_value, opened_text, text_lines


@pytest.mark.parametrize(
    "text, found",
    [
        ("{", "Expecting property name"),
        ("[" * 100_000 + "]" * 100_000, "more than 64 levels"),
        ("[" * 70 + "]" * 70, "more than 64 levels"),
        ("9" * 5000, "an integer of 5000 digits"),
        (str(2**63), "an integer of 19 digits"),
        (str(-(2**63) - 1), "an integer of 19 digits"),
    ],
)
def test_what_is_no_json_or_too_much_of_it_is_one_typed_error(text, found):
    with pytest.raises(MetricError, match=f"^a.json, line 3: not JSON .*{found}.*Drop it.$"):
        json_value(text, "a.json, line 3", MetricError, "Drop it.")


def test_whatever_is_json_of_usual_size_is_read_as_python_reads_it():
    text = json.dumps({"a": [1, -(2**63), 2**63 - 1, 0.5, None, True, "é"], "b": [[[]]] * 40})
    assert json_value(text, "a.json") == json.loads(text)


@pytest.mark.parametrize("name", ["missing", "with\0nul", "half\ud800", "n" * 300, "."])
def test_a_name_that_cannot_be_opened_is_one_typed_error_in_one_line(name, tmp_path):
    with pytest.raises(ManifestError) as told, opened_text(f"{tmp_path}/{name}"):
        pass
    assert str(told.value).isprintable()


@pytest.mark.parametrize("content, found", [(b"a\n\xff\n", "byte 2 is not UTF-8"), (b"\xff\xfea", "byte order mark")])
def test_bytes_that_are_no_text_are_named(content, found, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ManifestError, match=found):
        list(text_lines(tmp_path / "a"))


def test_a_mark_is_left_out_where_it_is_allowed(tmp_path):
    (tmp_path / "a").write_text("one\n\ntwo", encoding="utf-8-sig")
    assert list(text_lines(tmp_path / "a", marked=True)) == [(1, "one\n"), (3, "two")]
    with pytest.raises(ManifestError, match="byte order mark"):
        list(text_lines(tmp_path / "a"))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * (MAX_LINE_BYTES + 2))
    with pytest.raises(ManifestError, match=f"line 1: more than {MAX_LINE_BYTES} bytes"):
        list(text_lines(tmp_path / "a"))
