"""Several concurrent runs, each made once; a failed one is named, and none outlives the reproduction."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.reproduction.plan import Plan, phases
from speechbrain_xser.reproduction.runner import check_note, run_plan, visible_devices
from tests.warmed import PATIENCE, Process

TRAIN = """
import glob, json, os, signal, sys, time
options = dict(word[2:].split("=", 1) for word in sys.argv if word.startswith("--"))
folder = options["output_folder"]
open(f"{folder}/started", "a").write(f"{time.time()} ")
signal.signal(signal.SIGTERM, lambda *_: (open(f"{folder}/told", "w").close(), sys.exit(143)))
while len(glob.glob(f"{folder}/../../*/*/started")) < int(os.environ.get("RUNS_TO_WAIT_FOR", "1")):
    time.sleep(0.01)
time.sleep(float(os.environ.get("SECONDS_OF_A_RUN", "0.3")))
if options["system"] == "beta_1":
    print("first line"); print("error: the disk is full"); sys.exit(1)
os.makedirs(f"{folder}/model")
open(f"{folder}/model/metadata.json", "w").write("{}")
open(f"{folder}/ended", "w").write(str(time.time()))
"""


@pytest.fixture
def plan(tmp_path):
    """A plan whose trainings do nothing, slowly."""
    recipes = tmp_path / "recipes"
    (recipes / "CREMA-D" / "hparams").mkdir(parents=True)
    (recipes / "CREMA-D" / "hparams" / "train.yaml").touch()
    (recipes / "train.py").write_text(TRAIN)
    systems = tmp_path / "hparams" / "systems"
    systems.mkdir(parents=True)
    for name in ("two_stage", "fd_ser_sed", "beta_1"):
        (systems / f"{name}.yaml").touch()
    return Plan("CREMA-D", "tiny", "trained", "data", tmp_path / "out", recipes, ("two_stage", "fd_ser_sed"), (1, 2))


def starts(plan: Plan) -> dict[str, int]:
    return {run.name: len((plan.out / run.name / "started").read_text().split()) for run in phases(plan)[0]}


@pytest.mark.slow
def test_every_run_is_made_once_and_never_again(plan):
    run_plan(plan, jobs=2)
    run_plan(plan, jobs=2)
    assert set(starts(plan).values()) == {1}
    times = [json.loads(line) for line in (plan.out / "times.jsonl").read_text().splitlines()]
    assert {line["run"] for line in times} == set(starts(plan)) and all(line["seconds"] > 0 for line in times)


@pytest.mark.slow
def test_no_more_runs_at_once_than_jobs(plan, monkeypatch):
    monkeypatch.setenv("RUNS_TO_WAIT_FOR", "2")  # the first two meet, however slowly they start
    run_plan(plan, jobs=2)
    spans = [
        (float((plan.out / run.name / "started").read_text()), float((plan.out / run.name / "ended").read_text()))
        for run in phases(plan)[0]
    ]
    assert max(sum(start <= moment < end for start, end in spans) for moment, _ in spans) == 2


def test_a_run_that_fails_is_named_with_its_last_words(plan):
    with pytest.raises(ReproductionError, match=r"CREMA-D/beta_1/seed1 ended with 1: error: the disk is full \(.*run"):
        run_plan(plan._replace(systems=("beta_1",)))


@pytest.mark.slow
def test_a_failed_run_ends_the_others_and_they_resume_next_time(plan):
    with pytest.raises(ReproductionError):
        run_plan(plan._replace(systems=("beta_1", "two_stage"), seeds=(1,)), jobs=2)
    run_plan(plan._replace(systems=("two_stage",), seeds=(1,)))
    assert (plan.out / "CREMA-D" / "two_stage" / "seed1" / "ended").exists()


@pytest.mark.slow
def test_a_folder_with_other_values_is_refused(plan):
    run_plan(plan)
    with pytest.raises(ReproductionError, match="other values: values {}, not {'beta': '1'}. Choose another folder"):
        run_plan(plan._replace(values={"beta": "1"}))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the runs on Linux only")
def test_a_killed_reproduction_leaves_no_run_behind(plan, python):
    code = (
        f"import sys; sys.executable = {sys.executable!r};"  # its runs are real interpreters
        "from pathlib import Path; from speechbrain_xser.reproduction.plan import Plan;"
        "from speechbrain_xser.reproduction.runner import run_plan;"
        f"run_plan(Plan('CREMA-D', 'tiny', 'trained', 'data', Path({str(plan.out)!r}), Path({str(plan.recipes)!r}),"
        "('two_stage',), (1,)))"
    )
    folder = plan.out / "CREMA-D" / "two_stage" / "seed1"
    parent = Process([python, "-c", code], env={**os.environ, "SECONDS_OF_A_RUN": "60"})
    _until(lambda: (folder / "started").exists())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _until(lambda: (folder / "told").exists())


def test_a_run_waits_for_one_that_a_killed_reproduction_left_saving(plan, python):
    folder = plan.out / "CREMA-D" / "two_stage" / "seed1"
    code = (
        "import time; from speechbrain_xser.utils.commandline import claimed\n"
        f"with claimed({str(folder)!r}):\n"
        f"    print('held', flush=True); time.sleep(4); open({str(plan.out / 'saved')!r}, 'w').write(str(time.time()))"
    )
    saving = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, text=True)
    assert saving.stdout.readline() == "held\n"
    run_plan(plan._replace(systems=("two_stage",), seeds=(1,)))
    assert float((folder / "started").read_text()) > float((plan.out / "saved").read_text())
    saving.wait()


def test_a_truncated_note_is_refused_in_one_line(plan):
    plan.out.mkdir()
    (plan.out / "reproduction.json").write_text('{"corpus": ')
    with pytest.raises(ReproductionError, match="reproduction.json cannot be read"):
        run_plan(plan)


def test_another_corpus_folder_is_another_reproduction(plan):
    check_note(plan)
    with pytest.raises(ReproductionError, match="data_folder 'data', not 'elsewhere'"):
        check_note(plan._replace(data_folder="elsewhere"))


def test_gpus_are_those_that_this_process_may_use_and_enough_for_the_jobs(plan, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert visible_devices() == ["2", "3"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_devices() == ["0", "1"]
    with pytest.raises(ReproductionError, match="3 jobs for 2 GPUs"):
        run_plan(plan, jobs=3)


def _until(happened, seconds: float = PATIENCE) -> None:
    end = time.time() + seconds
    while not happened():
        assert time.time() < end
        time.sleep(0.05)
