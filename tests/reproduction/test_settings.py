"""Models trained on SpeechCraft, then fine-tuned or only evaluated on another corpus; real scripts on tones."""

import json
import shutil
from pathlib import Path

import pytest

from speechbrain_xser.reproduction.plan import Plan
from speechbrain_xser.reproduction.report_files import write_report
from speechbrain_xser.reproduction.runner import NOTE, run_plan
from speechbrain_xser.testing import tiny_manifest

pytestmark = pytest.mark.training

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    """A system without an LLM, the quickest one."""
    folder = tmp_path_factory.mktemp("settings")
    values = {
        f"{split}_manifest": tiny_manifest(folder, clips, seed=clips, split=split)
        for split, clips in (("train", 8), ("valid", 3), ("test", 5))
    }
    values |= {"prepare": "null", "precision": "fp32"}
    here = str(folder)
    out, systems = folder / "out", ("ssl_hubert",)
    return Plan("MELD", "tiny", "fine-tuned", here, out, RECIPES, systems, (1,), here, values, values)


def run(plan: Plan, setting: str) -> Path:
    """The folder of the run on MELD; keeps the SpeechCraft run, from which both settings start."""
    shutil.rmtree(plan.out / "MELD", ignore_errors=True)
    (plan.out / NOTE).unlink(missing_ok=True)  # which says that all runs have one setting
    plan = plan._replace(setting=setting)
    run_plan(plan)
    assert "| 1 | HuBERT-large |" in (write_report(plan, (2,)) / "report.md").read_text()
    return plan.out / "MELD" / "ssl_hubert" / "seed1"


def test_fine_tuning_starts_from_the_model_of_its_seed(plan):
    folder = run(plan, "fine-tuned")
    begun = folder.parents[2] / "SpeechCraft" / "ssl_hubert" / "seed1" / "model"
    assert (begun / "metadata.json").exists() and (folder / "model" / "metadata.json").exists()
    written = "".join((folder / "hyperparams.yaml").read_text().split())  # long lines are wrapped
    assert f"start_from:{begun}" in written


def test_zero_shot_answers_with_speechcrafts_model_and_trains_nothing(plan):
    folder = run(plan, "zero-shot")
    rows = [json.loads(line) for line in (folder / "test_answers.jsonl").read_text().splitlines()]
    assert len(rows) == 5 and sum(rows[0]["probabilities"].values()) == pytest.approx(1)
    assert not (folder / "model").exists() and not (folder / "checkpoints").exists()
