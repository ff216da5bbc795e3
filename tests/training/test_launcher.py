"""How ranks are started, and what a wrong command ends with."""

import pytest
from click.testing import CliRunner
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.cli.train import train_command
from speechbrain_xser.errors import LostRankError, SettingsError, TrainingError
from speechbrain_xser.training import process_group
from speechbrain_xser.training.command import noting_errors
from speechbrain_xser.training.launcher import Launch, launcher_words
from speechbrain_xser.utils.restart_note import FOLDER, noted_code


@pytest.mark.parametrize(
    ("launched", "message"),
    [
        (Launch(ranks=0), "--ranks 0 .*at least 1"),
        (Launch(ranks=2, restarts=-1), "--restarts -1.*0 or more"),
        (Launch(ranks=2, nodes="two"), "--nodes is 'two'; expected a number, or the fewest and the most: 1:2"),
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
