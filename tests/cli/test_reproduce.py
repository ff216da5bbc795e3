"""Messages of ``xser reproduce`` and ``xser probe`` for wrong calls; tests/reproduction covers the tables."""

import pytest
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--table", "4", "--corpus", "CREMA-D"], "4 is not in the range 1<=x<=3"),
        (["--table", "2", "--corpus", "CREMA-D", "--set", "beta"], "'beta': expected KEY=VALUE"),
        (["--table", "2", "--corpus", "Nowhere"], "There is no recipe 'Nowhere'"),
        (["--table", "2", "--corpus", "MELD", "--setting", "fine-tuned"], "give its folder too"),
        (["--table", "2", "--corpus", "CREMA-D", "--report-only"], "no system has finished"),
        (["--table", "2", "--corpus", "CREMA-D", "--extra", "nonsense"], "There is no system 'nonsense'"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(tmp_path, words, said):
    out = ["--data-folder", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(xser, ["reproduce", *words, *out])
    assert result.exit_code != 0 and said in str(result.output) + str(result.exception)
    assert "Traceback" not in result.output


def test_help_has_an_example():
    for command in ("reproduce", "probe"):
        assert f"xser {command} --" in CliRunner().invoke(xser, [command, "--help"]).output


def test_a_mistyped_corpus_leaves_nothing_behind(tmp_path):
    words = ["--table", "2", "--corpus", "cremad", "--data-folder", str(tmp_path), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(xser, ["reproduce", *words]).exit_code == 2 and not (tmp_path / "out").exists()
