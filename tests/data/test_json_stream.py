"""Large JSON files, read entry by entry."""

import json

import pytest

from speechbrain_xser.data.json_stream import stream_entries
from speechbrain_xser.errors import ManifestError


def test_entries_equal_those_of_the_standard_library(tmp_path):
    entries = {"a\tb": {"text": "naïve", "begin": 0.25, "n": 3}, "": None, "c": [1, {"d": "\u2019"}]}
    (tmp_path / "x.json").write_text(json.dumps(entries))
    assert dict(stream_entries(tmp_path / "x.json")) == entries


def test_a_truncated_file_yields_its_whole_entries_and_then_an_error(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1, "b": {"c": 2')
    entries = stream_entries(tmp_path / "x.json")
    assert next(entries) == ("a", 1)
    with pytest.raises(ManifestError, match="x.json: truncated"):
        next(entries)


@pytest.mark.parametrize("text", ["", "[1, 2]", "id,path\n"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ManifestError, match="expected a JSON object"):
        list(stream_entries(tmp_path / "x.json"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ManifestError, match="none.json: no such file"):
        list(stream_entries(tmp_path / "none.json"))


def test_an_escaped_half_of_a_surrogate_pair_is_a_manifest_error(tmp_path):
    (tmp_path / "x.json").write_text('{"a": "so \\udfff"}')
    with pytest.raises(ManifestError, match="truncated or not JSON"):
        list(stream_entries(tmp_path / "x.json"))
