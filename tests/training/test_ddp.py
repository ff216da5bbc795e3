"""Two ranks on the CPU stay together."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from speechbrain_xser.training.run import make_model
from tests.training.runner import LONG_ENOUGH, REWARDED, make, tiny_data, tiny_hparams
from tests.training.two_ranks import STOPPED_AT, observe
from tests.warmed import PATIENCE

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[2]


def launched(python: str, script: str, folder: Path, ranks: int = 2) -> None:
    """Runs a script of this folder on ranks of this machine."""
    command = [python, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    path = str(ROOT / "tests" / "training" / script)
    subprocess.run([*command, path, str(folder)], check=True, timeout=PATIENCE, cwd=ROOT, env=environment)


@pytest.fixture(scope="module")
def ranks_folder(tmp_path_factory, python):
    """Where two ranks were."""
    folder = tmp_path_factory.mktemp("ranks")
    launched(python, "two_ranks.py", folder)
    return folder


@pytest.fixture(scope="module")
def ranks(ranks_folder):
    """What each of them saw."""
    return [json.loads((ranks_folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("run", ["stages", "broken", "exact", "rounded", "apart", "rewarded", "poisoned"])
def test_both_ranks_end_with_bit_equal_weights_after_both_stages_of_uneven_data(ranks, run):
    assert ranks[0][run]["weights"] == ranks[1][run]["weights"]
    assert len(ranks[0][run]["losses"]) == len(ranks[1][run]["losses"]) > 2


def test_a_loss_that_is_not_a_number_on_one_rank_makes_both_leave_out_the_same_step_and_the_first_name_it(ranks):
    assert [rank["stages"]["skipped"] for rank in ranks] == [1, 1]
    (poisoned,) = ranks[1]["stages"]["clips"][1]
    assert [len(rank["stages"]["warned"]) for rank in ranks] == [1, 0]
    assert f"not finite, with the utterances {poisoned}." in ranks[0]["stages"]["warned"][0]


def test_unreadable_clips_are_counted_over_all_ranks(ranks):
    """A rank whose only clip is unreadable does not hang the others."""
    assert [rank["broken"]["skipped"] for rank in ranks] == [0, 0]
    assert [rank["broken"]["unreadable"] for rank in ranks] == [2, 2]
    for rank in ranks:
        assert rank["refused"]["unreadable"].startswith("TrainingError: 2 of 7 clips cannot be read; at most 1")


def test_a_damaged_newest_checkpoint_leaves_the_choice_to_another_ranks_disk(ranks):
    """The first rank's disk has a damaged one of step 9 and no other; the second's a good one of step 5."""
    assert [rank["damaged"] for rank in ranks] == [{"resumed": 5, "best": 5}] * 2


def test_a_branch_is_judged_by_what_all_ranks_heard(ranks):
    """Each rank hears a unit that stands still; only together do they hear it vary."""
    assert [rank["pooled"]["alone"] for rank in ranks] == [0, 0]
    assert [rank["pooled"]["together"] for rank in ranks] == [1, 1]


def test_gradients_that_are_exchanged_in_bfloat16_are_the_means_but_for_three_roundings(ranks):
    """Each rank's half and their sum are rounded to eight bits: by 1 in 512 each, and a little of their product."""
    for rank in ranks:
        exact, rounded = (rank[run]["gradients"] for run in ("exact", "rounded"))
        assert exact["own"] == rounded["own"] and (exact["sent"], rounded["sent"]) == ([], ["torch.bfloat16"])
        for place, mean in enumerate(exact["mean"]):
            parts = [abs(other["exact"]["gradients"]["own"][place]) / 2 for other in ranks]
            assert mean == pytest.approx(sum(o["exact"]["gradients"]["own"][place] for o in ranks) / 2, abs=1e-6)
            assert abs(rounded["mean"][place] - mean) <= (sum(parts) + abs(mean)) / 512 * 1.01
        assert rounded["mean"] != exact["mean"]


def test_a_training_with_rounded_gradients_stays_near_the_exact_one_and_is_another_run(ranks):
    losses = [ranks[0][run]["losses"] for run in ("exact", "rounded")]
    assert losses[1] == pytest.approx(losses[0], rel=0.01) and losses[0] != losses[1]


def test_only_the_first_rank_of_a_machine_goes_through_the_rows_of_manifests(ranks):
    """To check the targets and the lengths of two splits, and to count the work of one; the others are told."""
    assert [rank["passes"] for rank in ranks] == [5, 0]
    assert ranks[0]["exact"]["clips"] != ranks[1]["exact"]["clips"]


def test_only_the_first_rank_writes(ranks):
    assert ranks[0]["stages"]["writes"] > 0
    assert ranks[1]["stages"]["writes"] == 0


def test_two_ranks_compute_the_losses_of_one_process_with_the_same_settings(ranks, tmp_path):
    alone = observe(*make(tiny_hparams(tiny_data(tmp_path), tmp_path / "run")), noise=False)

    assert ranks[0]["exact"]["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    shared = zip(*(rank["exact"]["clips"] for rank in ranks), strict=True)
    assert [sorted([*one, *other]) for one, other in shared] == [sorted(clips) for clips in alone["clips"]]


def test_two_ranks_sample_and_reward_what_one_process_does(ranks, tmp_path):
    data = tiny_data(tmp_path, max_new_tokens=LONG_ENOUGH)
    alone = observe(*make(tiny_hparams(data, tmp_path / "run", **REWARDED)))

    assert ranks[0]["rewarded"]["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    assert len(set(alone["losses"])) > 2
    assert [rank["poisoned"]["skipped"] for rank in ranks] == [1, 1]


def test_machines_without_a_common_folder_resume_together_and_the_first_writes_the_model(ranks):
    whole = [len(rank["stages"]["losses"]) for rank in ranks]
    assert [len(rank["apart"]["losses"]) for rank in ranks] == [whole[0] - 2] * 2  # a checkpoint every two steps
    assert ranks[0]["apart"]["best"] == ranks[1]["apart"]["best"]
    assert ranks[0]["apart"]["folder"] == ranks[1]["apart"]["folder"] == ranks[0]["apart"]["here"][0]
    assert len(ranks[0]["apart"]["here"]) == 1 and "machine-0" in ranks[0]["apart"]["here"][0]


def test_one_process_goes_on_where_two_ranks_were_with_the_same_windows(ranks_folder, ranks, tmp_path):
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", epochs_per_stage=1)
    shutil.copytree(ranks_folder / "run" / "halfway", tmp_path / "run")
    found = observe(*make(hparams), noise=False)

    shared = list(zip(*(rank["exact"]["clips"] for rank in ranks), strict=True))[STOPPED_AT - 1 :]
    assert [sorted(clips) for clips in found["clips"]] == [sorted([*one, *other]) for one, other in shared]
    assert found["losses"] == pytest.approx(ranks[0]["exact"]["losses"][STOPPED_AT - 1 :], abs=1e-4)


def test_ranks_that_divide_the_llm_train_and_answer_as_those_that_hold_it(ranks, ranks_folder, tmp_path):
    """One clip is validated by the second rank and two by the first, which goes on alone."""
    for rank in ranks:
        assert rank["sharded"]["share"] == 0.5
        assert rank["sharded"]["losses"] == rank["exact"]["losses"][STOPPED_AT - 1 :]
        assert rank["sharded"]["weights"] == rank["exact"]["weights"]
    assert ranks[0]["sharded"]["answers"] == ranks[1]["sharded"]["answers"]
    shutil.copytree(ranks_folder / "run" / "sharded", tmp_path / "run")
    brain, loaders = make(tiny_hparams(tiny_data(tmp_path), tmp_path / "run"))  # one process reads their checkpoint
    brain.evaluate(loaders.valid)
    assert {answer.utterance.id: answer.text for answer in brain.evaluation.answers} == ranks[0]["sharded"]["answers"]


def test_ranks_that_differ_are_told_apart_before_the_first_step(ranks):
    for rank in ranks:
        assert re.fullmatch(
            r"TrainingError: The ranks do not train the same run; against the first, rank 1 has .*ser peak 0\.5 for "
            r"0\.01.*training clips \d+ for \d+\. Give every node the same command, data and version\.",
            rank["refused"]["settings"],
        )
        assert "against the first, rank 1 has step 1 for 0, offset 1 for 0." in rank["refused"]["steps"]


def test_what_fails_on_the_rank_that_reads_is_raised_on_all(ranks):
    assert [rank["refused"]["unreadable folder"] for rank in ranks] == ["XserError: no folder /corpus"] * 2


def test_a_fault_of_the_rank_that_reads_is_no_error_of_the_others_that_would_keep_a_restart_away(ranks):
    told = ["LostRankError: Rank 1 has failed; its own error says why.", "ZeroDivisionError: integer division or "]
    for rank, begin in zip(ranks, told, strict=True):
        assert rank["refused"]["fault"].startswith(begin)


def test_an_llm_is_read_straight_to_the_device_of_its_rank(tmp_path, monkeypatch):
    """No GPU is needed: what transformers is asked for is looked at, and the weights stay on the CPU."""
    asked, original = [], AutoModelForCausalLM.from_pretrained

    def from_pretrained(*sources, device_map=None, **options):
        asked.append(device_map)
        return original(*sources, **options)

    monkeypatch.setattr("speechbrain_xser.decoder.llm.AutoModelForCausalLM.from_pretrained", from_pretrained)
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run")
    for device in ("cuda:1", "cpu", None):
        make_model(hparams, device)
    assert asked == [{"": "cuda:1"}, None, None]
