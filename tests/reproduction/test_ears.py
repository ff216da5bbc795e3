"""The tables on Whisper's encoder: every row trains on a few clips, and the report says what it heard with."""

import csv
import json
import subprocess
import sys

import pytest

from speechbrain_xser.reproduction.published import systems
from speechbrain_xser.testing import tiny_manifest
from tests.warmed import PATIENCE

pytestmark = pytest.mark.training


@pytest.mark.usefixtures("small")
def test_every_row_of_a_table_trains_on_whisper_and_the_report_says_so(tmp_path):
    for split, clips in (("train", 8), ("valid", 2), ("test", 4)):
        tiny_manifest(tmp_path, clips, seed=clips, split=split)
    values = [f"{split}_manifest={tmp_path / split}.jsonl" for split in ("train", "valid", "test")]
    values += ["prepare=null", "search_limit=2", "training={steps_per_turn: null}"]
    out = tmp_path / "out"
    words = ["--table", "2", "--corpus", "CREMA-D", "--scale", "ears", "--without", "SPICE"]
    words += ["--data-folder", str(tmp_path), "--out", str(out), *[w for value in values for w in ("--set", value)]]
    run = [sys.executable, "-m", "speechbrain_xser.cli", "reproduce", *words]
    finished = subprocess.run(run, capture_output=True, text=True, timeout=PATIENCE)
    assert finished.returncode == 0, finished.stderr[-2000:]
    for system in systems((2,), "ears"):
        settings = json.loads((out / "CREMA-D" / system / "seed1986" / "model" / "settings.json").read_text())["model"]
        assert settings["encoder"]["source"].endswith("whisper-tiny.en") and "standardization" in settings
    assert len(list((out / "features").rglob("*.safetensors"))) == 14  # each clip heard once, by all rows
    report = (out / "report" / "report.md").read_text()
    assert report.startswith("# CREMA-D, scale ears, trained") and "stands in their place" in " ".join(report.split())
    with open(out / "report" / "table2.csv", encoding="utf-8") as file:
        ours = {row["ID"]: row["UA ours"] for row in csv.DictReader(file)}
    assert [id for id in ("1", "2", "3", "1-3", "4", "5", "6", "7") if ours[id] == "-"] == ["1", "2", "3"]
