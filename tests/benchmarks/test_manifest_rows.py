"""The rows that the benchmark of large manifests generates are those that it is about."""

from benchmarks.manifest_rows import generated
from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.data.plain_line import plain_row

ROWS = 50


def test_generated_rows_have_all_fields_and_are_read_by_the_pattern(tmp_path):
    path = tmp_path / "train.jsonl"
    write_manifest(path, generated(ROWS))
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == ROWS and all(map(plain_row, lines))
    assert 900 < path.stat().st_size / ROWS < 1050
    assert not any(None in row for row in read_manifest(path))
