"""A rank that is killed comes back with the others, and the run ends as if nobody had killed it.

``make test-scale`` kills ten times (``XSER_RANK_KILLS``), and starts two agents of torchrun; a plain run of this file
kills twice.
"""

import os
import resource
import socket
import subprocess
import sys
import time

import psutil
import pytest
import torch

from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_manifest
from tests.faults.killed_ranks import ROOT, Kill, command, killed, newest, pid_of, started, train
from tests.training.runner import final_weights
from tests.warmed import PATIENCE

pytestmark = pytest.mark.training

KILLS = int(os.environ.get("XSER_RANK_KILLS", "2"))
STEPS = 4  # an epoch; a checkpoint every two
STAGES = ("asr", "ser")  # of epochs in turn


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tiny_encoder_folder(folder / "backbones" / "encoder"), tiny_llm_folder(folder / "backbones" / "llm")
    manifests = {f"{split}_manifest": tiny_manifest(folder, n, n, split) for split, n in (("train", 7), ("valid", 3))}
    return {"backbones": folder / "backbones", **manifests, "epochs_per_stage": -(-KILLS // 2)}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory, python):
    """What two ranks leave that nobody kills."""
    output = tmp_path_factory.mktemp("whole")
    train(python, data, output, [])
    return output


def test_killed_ranks_come_back_in_both_stages_and_end_bit_equal(data, whole, tmp_path, python):
    """The kills fall into the middle of an epoch each: rank 0, then rank 1, and the other way round in the next two."""
    kills = [Kill((epoch + epoch // 2) % 2, epoch * STEPS + STEPS // 2) for epoch in range(KILLS)]

    met = train(python, data, tmp_path / "killed", kills)

    assert met == [(kill.rank, STAGES[epoch % 2]) for epoch, kill in enumerate(kills)]
    assert_same(tmp_path / "killed", whole)


def test_ranks_end_with_their_launcher(data, tmp_path, python):
    """Which has no time to end them; the training itself would take hours."""
    words = command(python, {**data, "epochs_per_stage": 10_000}, tmp_path / "run", "--ranks", "2")
    with started(words) as launcher:
        while newest(tmp_path / "run") is None:
            assert launcher.poll() is None
            time.sleep(0.05)
        ranks = [psutil.Process(pid_of(rank, tmp_path / "run")) for rank in range(2)]
        launcher.kill()
        left = psutil.wait_procs(ranks, timeout=60)[1]
        for rank in left:
            rank.kill()
    assert not left


@pytest.mark.soak
def test_two_machines_without_a_common_folder_go_on_together_after_a_kill(data, whole, tmp_path):
    """Two agents of torchrun with a rank each, and folders of their own; the first rank is killed."""
    python = sys.executable  # torchrun's agents find each other only if they are interpreters of their own
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    words = ("--ranks", "1", "--nodes", "2", "--address", place, "--restarts", "1")
    places = [tmp_path / "one", tmp_path / "other"]
    commands = [command(python, data, output, *words) for output in places]
    with started(commands[0]) as one, started(commands[1]) as two:
        while not (first := [output for output in places if newest(output)]):
            assert one.poll() is None and two.poll() is None
            time.sleep(0.01)
        killed(one, first[0], Kill(rank=0, step=STEPS // 2))
        assert (one.wait(PATIENCE), two.wait(PATIENCE)) == (0, 0)

    written = [output for output in places if (output / "checkpoints").exists()]
    assert [(output / "model").exists() for output in written] == [True]
    assert_same(written[0], whole)


@pytest.mark.soak
def test_corpora_that_one_machine_lacks_end_both_with_one_error_that_names_them(data, tmp_path):
    """Two agents of torchrun; the second has no training manifest."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    words = ("--ranks", "1", "--nodes", "2", "--address", place)
    lacking = {**data, "train_manifest": tmp_path / "nowhere.jsonl"}
    commands = [command(sys.executable, each, tmp_path / f"run-{n}", *words) for n, each in enumerate((data, lacking))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    piped = {"cwd": ROOT, "env": environment, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(commands[0], **piped) as one, subprocess.Popen(commands[1], **piped) as other:
        told = [process.communicate(timeout=PATIENCE)[1] for process in (one, other)]
    assert (one.returncode, other.returncode) == (2, 2)
    errors = [[line for line in each.splitlines() if line.startswith("error: ")] for each in told]
    assert len(errors[1]) == 1 and "nowhere.jsonl" in errors[1][0]


@pytest.mark.soak
def test_a_disk_that_is_full_for_the_rank_that_writes_ends_both_with_its_error_and_leaves_nothing_half(data, tmp_path):
    """No file may grow beyond 64 KiB, which is less than a checkpoint needs."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    words = command(sys.executable, data, tmp_path / "run", "--ranks", "2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipe = {"stderr": subprocess.PIPE, "text": True, "timeout": PATIENCE}
    ended = subprocess.run(words, cwd=ROOT, env=environment, preexec_fn=limited, check=False, **pipe)
    told = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert ended.returncode == 2
    assert len([line for line in told if "could not be written" in line and "checkpoints are intact" in line]) == 1
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


def assert_same(output, expected):
    """The same weights, bit by bit, and the same log and folder."""
    weights, whole = final_weights(output), final_weights(expected)
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in weights)
    for file in ("train_log.txt", "model/settings.json", "model/model.safetensors"):
        assert (output / file).read_bytes() == (expected / file).read_bytes()
