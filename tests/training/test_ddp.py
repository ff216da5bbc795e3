"""Two ranks on the CPU stay together."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from speechbrain_xser.training.run import make_model
from tests.training.runner import make, tiny_data, tiny_hparams
from tests.training.two_ranks import observe
from tests.warmed import PATIENCE

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[2]


def launched(python: str, script: str, folder: Path) -> None:
    """Runs a script of this folder on two ranks."""
    command = [python, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    path = str(ROOT / "tests" / "training" / script)
    subprocess.run([*command, path, str(folder)], check=True, timeout=PATIENCE, cwd=ROOT, env=environment)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, python):
    """What each of two ranks saw."""
    folder = tmp_path_factory.mktemp("ranks")
    launched(python, "two_ranks.py", folder)
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


def test_the_first_rank_may_prepare_for_longer_than_a_collective_may_take_and_the_others_hear_if_it_fails(
    python, tmp_path
):
    launched(python, "waiting_ranks.py", tmp_path)
    first, second = ((tmp_path / f"rank-{rank}").read_text() for rank in range(2))
    assert first == "prepared, OSError: no corpus"
    assert second.startswith("prepared, TrainingError: The first rank could not prepare the data")


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
