"""Two ranks on the CPU stay together."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.training.runner import make, tiny_data, tiny_hparams
from tests.training.two_ranks import observe
from tests.warmed import PATIENCE

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, python):
    """What each of two ranks saw."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [python, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    script = str(ROOT / "tests" / "training" / "two_ranks.py")
    subprocess.run([*command, script, str(folder)], check=True, timeout=PATIENCE, cwd=ROOT, env=environment)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("run", ["stages", "broken", "exact"])
def test_both_ranks_end_with_bit_equal_weights_after_both_stages_of_uneven_data(ranks, run):
    assert ranks[0][run]["weights"] == ranks[1][run]["weights"]
    assert len(ranks[0][run]["losses"]) == len(ranks[1][run]["losses"]) > 2


def test_a_loss_that_is_not_a_number_on_one_rank_makes_both_leave_out_the_same_step(ranks):
    assert [rank["stages"]["skipped"] for rank in ranks] == [1, 1]


def test_a_rank_whose_only_clip_is_unreadable_does_not_hang_the_others(ranks):
    assert [rank["broken"]["skipped"] for rank in ranks] == [0, 0]


def test_only_the_first_rank_writes(ranks):
    assert ranks[0]["stages"]["writes"] > 0
    assert ranks[1]["stages"]["writes"] == 0


def test_two_ranks_compute_the_losses_of_one_process_with_the_same_windows(ranks, tmp_path):
    alone = observe(*make(tiny_hparams(tiny_data(tmp_path), tmp_path / "run", batch_size=2)), noise=False)

    assert ranks[0]["exact"]["losses"] == pytest.approx(alone["losses"], abs=1e-4)
