"""The demo runs from its script to its table, on a handful of clips."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from speechbrain_xser.answer.render import render
from speechbrain_xser.data.manifest import read_manifest
from tests.warmed import PATIENCE

pytestmark = pytest.mark.training

DEMO = Path(__file__).resolve().parents[2] / "recipes" / "Tiny" / "demo.py"
FEW = ("--train_clips=4", "--valid_clips=2", "--test_clips=3", "--epochs_per_stage=1", "--batch_size=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def printed(folder) -> str:
    """The demo's output; it writes relative to the working folder."""
    command = [sys.executable, str(DEMO), *FEW]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def test_the_demo_prints_paragraph_record_and_reference_of_three_held_out_clips(printed, folder):
    for part in ("paragraph", "transcript", "descriptors", "emotion"):
        assert len(re.findall(rf"^  {part} ", printed, re.MULTILINE)) == 3
    references = re.findall(r"^  reference   (.*)$", printed, re.MULTILINE)
    held_out = read_manifest(str(folder / "results" / "demo" / "corpus" / "test-3.jsonl"))
    assert sorted(references) == sorted(render(utterance.record()) for utterance in held_out)


def test_the_demo_prints_one_table_of_its_model_and_the_packaged_one(printed):
    assert re.findall(r"^measure .*$", printed, re.MULTILINE) == [
        "measure (%)           this short run  the packaged model, trained for longer"
    ]
    cells = r"(\d+\.\d) +(\d+\.\d)$"
    for row in ("answers parsed", "UA", "WA", "pitch right"):
        assert len(re.findall(rf"^{row} +{cells}", printed, re.MULTILINE)) == 1
