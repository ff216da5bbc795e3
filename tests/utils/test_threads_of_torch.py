"""The number of torch threads: by the model's size, the cores and the environment, and only for commands."""

import pytest
import torch

import speechbrain_xser
from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.cli.model_options import load_recognizer
from speechbrain_xser.utils import threads
from speechbrain_xser.utils.threads import chosen_threads, usable_cores
from tests.annotator.real_clips import clips, needs_real_clips


@pytest.fixture
def free(monkeypatch):
    """Clears the thread settings of the environment and of earlier code, and restores them afterwards."""
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("parameters", "cores", "number"),
    [(9_000_000, 64, 1), (99_000_000, 64, 1), (100_000_000, 64, 2), (8_000_000_000, 64, 64), (8_000_000_000, 1, 1)],
)
def test_every_fifty_million_parameters_have_a_thread_as_long_as_there_are_cores(parameters, cores, number):
    assert chosen_threads(parameters, cores) == number


def test_a_command_computes_with_one_thread_for_the_tiny_model_and_says_so(free, capsys):
    load_recognizer("tiny", device="cpu")
    assert torch.get_num_threads() == 1
    told = f"1 thread on {usable_cores()} core"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", threads.VARIABLES)
def test_the_environment_takes_precedence(free, monkeypatch, capsys, name):
    monkeypatch.setenv(name, "3")
    load_recognizer("tiny", device="cpu")
    assert torch.get_num_threads() == 3
    assert f"3 threads on {usable_cores()} core" in (told := capsys.readouterr().err) and f"as {name} says" in told


def test_a_program_that_loads_a_model_keeps_its_threads(free):
    ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model(), run_opts={"device": "cpu"})
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000\n", 8), ("150000 100000\n", 2), ("20000 100000\n", 1), ("1600000 100000\n", 8)]
)
def test_a_container_s_quota_bounds_the_cores(monkeypatch, tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert usable_cores() == cores


@needs_real_clips
@pytest.mark.slow
def test_one_thread_and_two_give_the_same_bytes(free):
    recognizer = ExplainableEmotionRecognizer.from_hparams(
        speechbrain_xser.packaged_model(), run_opts={"device": "cpu"}
    )
    wav, found = clips("cremad", 1)[0].wav, []
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(repr(recognizer.explain_batch(wav[None])))
    assert found[0] == found[1]
