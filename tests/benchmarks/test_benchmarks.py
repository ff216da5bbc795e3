"""The benchmark runs from one command at a tiny size, with SpeechBrain and without, and what it writes can be read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.table import Row, markdown, write
from tests.warmed import PATIENCE

ROOT = Path(__file__).parents[2]
ALONE = """
import runpy, sys
sys.modules["speechbrain"] = sys.modules["hyperpyyaml"] = sys.modules["torchaudio"] = None  # not installed
sys.argv = ["benchmarks", "--size", "ci", "--only", "decoding", "--out", sys.argv[1]]
runpy.run_module("benchmarks", run_name="__main__")
"""


def run(*command, python=sys.executable):
    return subprocess.run([python, *command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("with")
    page = folder / "page.md"
    page.write_text("before\n<!-- ci: begin -->\nold\n<!-- ci: end -->\nafter\n")
    done = run("-m", "benchmarks", "--size", "ci", "--out", str(folder), "--page", str(page))
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "ci.json").read_text()), page.read_text(), done.stdout


@pytest.mark.slow
def test_every_work_is_measured_beside_its_peers(measured):
    found, _, _ = measured
    works = {row["work"].split(",")[0] for row in found["rows"]}
    assert {"training step", "layer sums of both branches", "greedy decoding"} <= works
    assert {"one utterance", "batch explain"} <= works
    peers = {row["peer"] for row in found["rows"]}
    assert {"SpeechBrain's LLM greedy searcher", "transformers' generate", "torch.stack a branch"} <= peers
    assert all(row["ours"] > 0 for row in found["rows"]) and "TFLOP/s" in found["ceilings"]


@pytest.mark.slow
def test_all_decoders_give_the_same_tokens(measured):
    notes = [row["note"] for row in measured[0]["rows"] if row["work"].startswith("greedy decoding")]
    assert notes == ["same tokens in 8 of 8 rows"] * 2


@pytest.mark.slow
def test_the_table_goes_between_its_marks_of_a_page(measured):
    _, page, printed = measured
    assert page.startswith("before\n<!-- ci: begin -->\nmachine: ") and page.endswith("<!-- ci: end -->\nafter\n")
    assert "old" not in page and "| training step, stage 2 |" in page and "| training step, stage 2 |" in printed


@pytest.mark.slow
def test_lobes_and_decoder_are_enough(tmp_path):
    done = run("-c", ALONE, str(tmp_path))
    assert done.returncode == 0, done.stderr
    peers = {row["peer"] for row in json.loads((tmp_path / "ci-decoding.json").read_text())["rows"]}
    assert "transformers' generate" in peers and "SpeechBrain's LLM greedy searcher" not in peers


def test_the_papers_size_without_a_gpu_is_refused_in_one_line(python):
    code = "import torch; torch.cuda.is_available = lambda: False; import benchmarks.__main__ as b; b.main(['--paper'])"
    done = run("-c", code, python=python)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("There is no GPU: leave out --paper")


def test_ratios_say_how_many_times_faster_ours_is():
    assert Row("a", "b", ours=2.0, theirs=8.0, unit="ms").ratio == 4.0
    assert Row("a", "b", ours=8.0, theirs=2.0, unit="1/s").ratio == 4.0
    assert Row("a", "", ours=0.97, theirs=None, unit="x").ratio is None
    line = markdown([Row("a", "b", 2.0, 8.0, "ms", "≥ 3×", 0.25)]).splitlines()[-1]
    assert line == "| a | b | 2 ms | 8 ms | **4.00×** | 0.25 | ≥ 3× |"


def test_a_page_without_the_marks_is_refused_before_anything_is_measured(tmp_path, python):
    (tmp_path / "page.md").write_text("text")
    done = run("-m", "benchmarks", "--size", "ci", "--page", str(tmp_path / "page.md"), python=python)
    assert done.returncode == 1 and "..." not in done.stderr
    assert "needs the lines <!-- ci: begin --> and <!-- ci: end --> once each" in done.stderr.splitlines()[-1]


def test_a_page_without_the_marks_is_not_written_over(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text")
    with pytest.raises(ValueError, match="<!-- cpu: begin -->"):
        write([], {}, tmp_path, "cpu", page)
    assert page.read_text() == "text"
