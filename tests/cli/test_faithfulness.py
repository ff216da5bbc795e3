"""``xser faithfulness`` as a user runs it."""

import json

import pytest
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser
from speechbrain_xser.evidence.faithfulness_scores import Support
from speechbrain_xser.testing import tiny_manifest


def run(*arguments):
    return CliRunner().invoke(xser, ["faithfulness", *map(str, arguments), "--workers", "1", "--device", "cpu"])


@pytest.mark.slow
def test_it_prints_both_tables_and_names_the_model(tmp_path):
    done = run(tiny_manifest(tmp_path, clips=2), "--clips", 2)
    assert done.exit_code == 0 and "tiny demonstration model" in done.stderr
    assert "supported %" in done.stdout and "relabelled without the named branch, %" in done.stdout


@pytest.mark.slow
def test_json_has_counts_and_shares(tmp_path):
    done = run(tiny_manifest(tmp_path, clips=2), "--json")
    found = json.loads(done.stdout)
    assert found["clips"] == 2 and set(found["carriers"]) >= {"by_voice", "moved_more"}
    assert all(sum(claim[verdict] for verdict in Support._fields) <= 2 for claim in found["claims"].values())


def test_a_file_that_is_not_a_manifest_is_refused_in_one_line(tmp_path):
    (tmp_path / "broken.jsonl").write_text("{")
    done = run(tmp_path / "broken.jsonl")
    assert done.exit_code == 2 and "error: " in done.stderr and "Traceback" not in done.output
