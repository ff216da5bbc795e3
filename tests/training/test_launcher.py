"""How ranks are started, and what a wrong command ends with."""

import datetime
import os

import pytest
from click.testing import CliRunner
from speechbrain.utils.run_opts import RunOptions
from torch.distributed import DistBackendError, DistNetworkError, DistStoreError, TCPStore

from speechbrain_xser.cli.train import train_command
from speechbrain_xser.errors import LostRankError, SettingsError, TrainingError
from speechbrain_xser.training import launcher, process_group
from speechbrain_xser.training.command import noting_errors
from speechbrain_xser.training.launcher import Launch, launcher_words
from speechbrain_xser.utils.restart_note import FOLDER, JOB, MEETING, end_if_noted, noted_code


@pytest.mark.parametrize(
    ("launched", "message"),
    [
        (Launch(ranks=0), "--ranks 0 .*at least 1"),
        (Launch(ranks=2, restarts=-1), "--restarts -1.*0 or more"),
        (Launch(ranks=2, nodes="two"), "--nodes is 'two'; expected a number, or the fewest and the most: 1:2"),
        (Launch(ranks=2, nodes="3:1"), "--nodes is '3:1'; expected .* the fewest and the most: 1:2"),
        (Launch(ranks=2, address="node1"), "--address is for several machines: say with --nodes how many"),
        (Launch(ranks=2, nodes="2"), "--nodes 2 needs --address HOST"),
        (Launch(ranks=2, nodes="2", address="a b"), "--address is 'a b'; expected HOST or HOST:PORT"),
    ],
)
def test_a_launch_that_cannot_be_is_refused_with_what_is_expected(launched, message):
    with pytest.raises(SettingsError, match=message):
        launcher_words(launched)


@pytest.mark.parametrize(
    ("address", "place"), [("node1", "node1:29500"), ("10.0.0.1:99", "10.0.0.1:99"), ("[::1]", "[::1]:29500")]
)
def test_machines_meet_at_the_address_or_at_the_usual_port(address, place):
    words = launcher_words(Launch(ranks=8, nodes="1:2", address=address, job="7"))
    assert {f"--rdzv-endpoint={place}", "--nnodes=1:2", "--rdzv-id=7", "--rdzv-backend=c10d"} <= set(words)


def test_a_wrong_recipe_ends_before_any_rank_starts(monkeypatch):
    monkeypatch.setattr("speechbrain_xser.training.launcher.run", lambda *_: pytest.fail("ranks were started"))
    found = CliRunner().invoke(train_command, ["nowhere.yaml", "--ranks", "2"])
    assert found.exit_code == 2 and "There is no recipe 'nowhere.yaml'" in found.output


def test_machines_without_a_number_of_ranks_are_refused():
    found = CliRunner().invoke(train_command, ["tests/training/tiny.yaml", "--nodes", "2"])
    assert found.exit_code == 2 and "--nodes and --address need --ranks" in found.output


@pytest.mark.parametrize(
    ("error", "noted"),
    [(TrainingError("no"), 2), (OSError(28, "No space left"), 2), (LostRankError("gone"), None), (KeyError(), None)],
)
def test_only_an_error_that_a_restart_does_not_mend_keeps_ranks_from_a_restart(error, noted, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(type(error)), noting_errors():
        raise error
    assert noted_code() == noted
    found = CliRunner().invoke(train_command, ["nowhere.yaml"])
    assert ("There is no recipe" in found.output) == (noted is None)
    assert found.exit_code == 2


@pytest.mark.parametrize(
    ("options", "backend"),
    [
        ({"device": "cpu"}, "gloo"),
        ({"device": "cuda:1"}, "nccl"),
        ({"device": "cpu", "distributed_backend": "mpi"}, "mpi"),
    ],
)
def test_ranks_on_cpus_use_gloo_by_themselves(options, backend):
    assert process_group._backend(RunOptions.from_dictionary(options)) == backend


@pytest.fixture
def meeting(monkeypatch):
    """The store of torchrun's agents, at the address of several machines."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, multi_tenant=True)
    monkeypatch.setenv(MEETING, f"127.0.0.1:{store.port}")
    return store


def test_the_ranks_of_another_machine_end_with_the_error_of_one(meeting, tmp_path, monkeypatch, capsys):
    machines = [tmp_path / "one", tmp_path / "other"]
    for machine in machines:
        machine.mkdir()
    monkeypatch.setenv(FOLDER, str(machines[1]))
    end_if_noted()
    monkeypatch.setenv(FOLDER, str(machines[0]))
    with pytest.raises(TrainingError), noting_errors():
        raise TrainingError("no")
    monkeypatch.setenv(FOLDER, str(machines[1]))
    for told in (1, 0):  # once on each machine
        with pytest.raises(SystemExit) as ended:
            end_if_noted()
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("error: A rank on another machine has ended") == told
    assert [[path.name for path in machine.iterdir()] for machine in machines] == [["no-restart"]] * 2


def test_the_error_of_one_job_ends_no_other_that_meets_at_its_address(meeting, tmp_path, monkeypatch):
    jobs = ["first", "first", "second"]
    for number in range(3):
        (tmp_path / f"{number}").mkdir()
    monkeypatch.setenv(FOLDER, str(tmp_path / "0"))
    monkeypatch.setenv(JOB, "first")
    with pytest.raises(TrainingError), noting_errors():
        raise TrainingError("no")
    ended = []
    for number, job in enumerate(jobs):
        monkeypatch.setenv(FOLDER, str(tmp_path / f"{number}"))
        monkeypatch.setenv(JOB, job)
        try:
            end_if_noted()
            ended.append(False)
        except SystemExit:
            ended.append(True)
    assert ended == [True, True, False]


def test_a_launch_hands_its_job_and_address_to_its_ranks(monkeypatch):
    for name in (JOB, MEETING, FOLDER, "OMP_NUM_THREADS", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"):
        monkeypatch.setenv(name, "1")  # set back at the end
    monkeypatch.setattr(launcher, "run", lambda arguments: given.append((arguments.rdzv_id, os.environ[JOB])))
    monkeypatch.setattr(launcher, "give_back_stdout", lambda: None)
    given = []
    launcher.launch(Launch(2, "2", "node1", job="7"), ["a.module"])
    assert given == [("7", "7")] and os.environ[MEETING] == "node1:29500"


def test_a_meeting_place_that_has_gone_hides_no_error(meeting, tmp_path, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.utils.restart_note.PATIENCE", datetime.timedelta(milliseconds=200))
    monkeypatch.setenv(MEETING, "127.0.0.1:1")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(TrainingError, match="no"), noting_errors():
        raise TrainingError("no")
    assert noted_code() == 2


LOST = [  # what torch 2.15 said in place of a killed rank
    RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:15748. This is typically"),
    DistNetworkError("Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown?"),
    DistNetworkError("Broken pipe"),
    DistBackendError("NCCL error\nncclRemoteError: a network error or a remote process exiting prematurely."),
]
CAUSES = [
    DistBackendError("NCCL error in: ProcessGroupNCCL.cpp:1, unhandled cuda error (run with NCCL_DEBUG=INFO)"),
    DistStoreError("wait timeout after 1800000ms, keys: /0"),
    RuntimeError("[gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation"),
    RuntimeError("ProcessGroupGloo::allreduce: invalid tensor type"),
]


@pytest.fixture
def alone(monkeypatch):
    """A launched rank without a group."""
    monkeypatch.setattr(process_group, "is_launched", lambda: True)
    monkeypatch.setattr(process_group, "ddp_init_group", lambda options: None)
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: None)


@pytest.mark.parametrize("error", LOST)
def test_a_lost_rank_is_told_with_what_torch_says_first(error, alone):
    with pytest.raises(LostRankError) as told, process_group.joined(RunOptions()):
        raise error
    assert f"and this one with it ({str(error).partition(chr(10))[0]}): its own error says why" in str(told.value)


@pytest.mark.parametrize("error", CAUSES)
def test_a_failure_of_gloo_or_nccl_that_is_no_lost_rank_is_told_as_it_is(error, alone):
    with pytest.raises(type(error)) as told, process_group.joined(RunOptions()):
        raise error
    assert told.value is error
