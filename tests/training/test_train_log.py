"""What a training logs, and where: the text file, TensorBoard, wandb, or a logger of one's own."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.train_logger import FileTrainLogger, TrainLogger

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.errors import SettingsError, TrainingError
from speechbrain_xser.training.command import main
from speechbrain_xser.training.experiment_loggers import RUN_ID, check_loggers, make_loggers
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.train_log import TrainLog
from tests.training.runner import make, tiny_data, tiny_hparams, train_in_process

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "training" / "tiny.yaml"


class Kept(TrainLogger):
    """Keeps what it is given."""

    def __init__(self):
        self.calls = []

    def log_stats(self, stats_meta, **stats):
        self.calls.append((dict(stats_meta), stats))


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points (step, value) of each curve that TensorBoard reads in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = defaultdict(list)
    for path in sorted(folder.glob("events.*")):
        events = EventAccumulator(str(path)).Reload()
        for tag in events.Tags()["scalars"]:
            found[tag] += [(point.step, point.value) for point in events.Scalars(tag)]
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.mark.training
def test_every_line_has_the_rate_of_each_stage_and_numbers_that_can_be_read(data, tmp_path):
    clips = [clip._replace(emphasis=None) for clip in read_manifest(data["valid_manifest"])]
    write_manifest(tmp_path / "valid.jsonl", clips)
    brain, loaders = make(tiny_hparams(data, tmp_path, valid_manifest=tmp_path / "valid.jsonl"))
    brain.fit(loaders.train, loaders.valid)
    asr, ser = (tmp_path / "train_log.txt").read_text().splitlines()

    assert asr.startswith("epoch: 1, stage: asr, lr_asr: 0.01000 - train loss: ")
    # the last of four steps: one of warm-up, then two thirds of a cosine, 0.01 * (1 + cos(2 pi / 3)) / 2
    assert ser.startswith("epoch: 2, stage: ser, lr_asr: 0.01000, lr_ser: 0.002500 - train loss: ")
    assert "nan," not in asr + ser and "emphasis_f1" not in ser  # no reference has an emphasis
    assert re.search(r"valid parsed: (0\.000|100\.0),", ser)
    for number in re.findall(r": (-?\d[^,\s]*)", f"{asr}, {ser}"):
        assert re.fullmatch(r"-?\d{1,4}(\.\d+)?|-?\d\.\d\de[+-]\d\d", number) and len(number) < 10


def test_the_numbers_of_a_line_have_four_digits_and_text_and_counts_stay(tmp_path):
    log = TrainLog(tmp_path / "log.txt")
    measured = {"parsed": 100.0, "ua": 14.2857, "kl": 0.0, "norm": 1234.5, "skipped": 0}
    log.log_stats({"test of": "ser"}, test_stats=measured)
    log.log_stats({"epoch": 12, "lr_asr": 2e-05}, train_stats={"loss": -0.69315, "all": 999.96})
    assert (tmp_path / "log.txt").read_text().splitlines() == [
        "test of: ser - test parsed: 100.0, test ua: 14.29, test kl: 0.000, test norm: 1234, test skipped: 0",
        "epoch: 12, lr_asr: 2.00e-05 - train loss: -0.6932, train all: 1000",
    ]


def test_a_loss_that_is_not_a_number_is_not_hidden(tmp_path):
    TrainLog(tmp_path / "log.txt").log_stats({"epoch": 1}, {"loss": float("nan")})
    assert "loss: nan" in (tmp_path / "log.txt").read_text()


def test_a_logger_of_one_s_own_gets_the_numbers_under_the_stage_s_name(tmp_path):
    kept = Kept()
    log = TrainLog(tmp_path / "log.txt", make_loggers([lambda: kept], tmp_path))
    log.log_stats({"epoch": 1, "stage": "asr", "lr_asr": 0.1}, {"loss": 0.123456}, {"wer": 50.0})
    assert kept.calls == [
        ({"epoch": 1, "lr_asr": 0.1}, {"train_stats": {"asr/loss": 0.123456}, "valid_stats": {"asr/wer": 50.0}})
    ]


def test_a_file_logger_of_one_s_own_writes_the_lines_to_its_file(tmp_path):
    log = TrainLog(tmp_path / "log.txt", [FileTrainLogger(tmp_path / "mine.txt")])
    log.log_stats({"epoch": 1, "stage": "asr"}, {"loss": 2.0})
    assert (tmp_path / "mine.txt").read_text() == "epoch: 1, stage: asr - train loss: 2.000\n"
    assert not (tmp_path / "log.txt").exists()


def test_only_the_first_rank_logs_whatever_the_logger(tmp_path, monkeypatch):
    kept = Kept()
    monkeypatch.setattr("speechbrain.utils.distributed.if_main_process", lambda: False)
    TrainLog(tmp_path / "log.txt", [kept]).log_stats({"epoch": 1}, {"loss": 2.0})
    assert kept.calls == [] and not list(tmp_path.iterdir())


# A choice of the YAML ------------------------------------------------------------------------------


def recipe(folder: Path, more: str) -> Path:
    """The tiny recipe with a key more."""
    path = folder / "recipe.yaml"
    path.write_text(TINY.read_text(encoding="utf-8").replace("../../", f"{ROOT}/") + more)
    return path


def arguments(path: Path, folder: Path) -> list[str]:
    given = dict.fromkeys(("backbones", "train_manifest", "valid_manifest"), folder / "nowhere")
    given["output_folder"] = folder / "run"
    return [str(path), "--device=cpu", *(f"--{key}={value}" for key, value in given.items())]


class Without:
    """A finder of modules that does not find one library."""

    def __init__(self, finder, library):
        self.finder, self.library = finder, library

    def find_spec(self, name, path=None, target=None):
        """As the finder's own."""
        return None if name.partition(".")[0] == self.library else self.finder.find_spec(name, path, target)


SPEECHBRAIN_S = "!new:speechbrain.utils.train_logger"


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        ("tensorboard", "tensorboard"),
        ("wandb", "wandb"),
        ("[wandb, tensorboard]", "wandb"),
        (f"{SPEECHBRAIN_S}.TensorboardLogger {{save_dir: /nowhere}}", "tensorboard"),
        (f"{SPEECHBRAIN_S}.WandBLogger {{initializer: !name:wandb.init {{project: mine}}}}", "wandb"),
    ],
)
def test_a_missing_library_is_one_line_with_its_remedy_before_anything_begins(
    choice, missing, tmp_path, monkeypatch, capsys
):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Without(finder, missing) for finder in sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        main(arguments(recipe(tmp_path, f"train_logger: {choice}\n"), tmp_path))
    [line] = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and line.startswith("error: ")
    assert re.search(rf"{missing} is missing. Run: pip install \S*{missing}", line)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["!include:/mnt/wandb/x.yaml", "!new:nowhere.wandb", "!apply:os.listdir [wandb]"])
def test_an_error_that_only_has_a_library_s_name_in_it_names_no_library(value, tmp_path, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.training.recipe_yaml.find_spec", lambda library: None)
    path = tmp_path / "recipe.yaml"
    path.write_text(f"mine: {value}\n")
    with pytest.raises(SettingsError, match="wandb") as caught:
        load_recipe(path)
    assert "is missing" not in str(caught.value)


@pytest.mark.parametrize("choice", ["tensorbord", 3, {"a": "b"}, ["wandb", None]])
def test_what_is_no_logger_is_refused_with_what_there_is(choice, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.training.experiment_loggers.find_spec", lambda name: True)
    with pytest.raises(SettingsError, match="expected tensorboard, wandb, null, or a logger"):
        check_loggers(choice)


def test_a_recipe_writes_a_logger_out_as_speechbrain_s_do(tmp_path):
    text = f"train_logger: {SPEECHBRAIN_S}.FileTrainLogger\n    save_file: !ref <output_folder>/mine.txt\n"
    path = recipe(tmp_path, text)
    given = dict.fromkeys(("output_folder", "backbones", "train_manifest", "valid_manifest"), str(tmp_path))
    [made] = make_loggers(load_recipe(path, given)[0]["train_logger"], tmp_path)
    assert made.save_file == f"{tmp_path}/mine.txt"


# TensorBoard ---------------------------------------------------------------------------------------


def test_the_logger_that_the_page_on_training_shows_is_speechbrain_s(tmp_path):
    pytest.importorskip("tensorboard")
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(train_logger:.*?)```", page, re.DOTALL)
    shown = load_hyperpyyaml(f"output_folder: {tmp_path}\n{text}")["train_logger"]
    TrainLog(tmp_path / "log.txt", make_loggers(shown, tmp_path)).log_stats({"epoch": 3, "stage": "asr"}, {"loss": 2.0})
    assert curves(tmp_path / "curves")["asr/loss/train"] == [(3, 2.0)]


@pytest.mark.training
def test_a_run_that_was_killed_and_goes_on_has_each_epoch_once_in_tensorboard(data, tmp_path):
    pytest.importorskip("tensorboard")
    hparams = tiny_hparams(data, tmp_path, epochs_per_stage=2, train_logger="tensorboard")
    assert train_in_process(hparams, 11) < 0  # by SIGKILL, in the third epoch of four steps
    assert train_in_process(hparams) == 0

    found = curves(tmp_path / "tensorboard")
    assert [step for step, _ in found["asr/loss/train"]] == [1, 3]
    assert [step for step, _ in found["ser/loss/valid"]] == [2, 4]
    assert [step for step, _ in found["lr_ser"]] == [2, 3, 4]
    assert [value for _, value in found["epoch"]] == [1, 2, 3, 4]
    last = (tmp_path / "train_log.txt").read_text().splitlines()[-1]
    assert float(re.search(r"valid loss: ([^,]+)", last)[1]) == pytest.approx(found["ser/loss/valid"][-1][1], rel=1e-3)


def test_points_are_on_the_disk_when_an_epoch_is_logged(tmp_path, monkeypatch):
    """TensorBoard writes in a thread, which is waited for."""
    pytest.importorskip("tensorboard")
    [board] = make_loggers("tensorboard", tmp_path)
    waited, flush = [], board.writer.flush
    monkeypatch.setattr(board.writer, "flush", lambda: waited.append(flush()))
    log = TrainLog(tmp_path / "log.txt", [board])
    for epoch in (1, 2):
        log.log_stats({"epoch": epoch, "stage": "asr"}, {"loss": 2.0})
    assert len(waited) == 2
    assert curves(tmp_path / "tensorboard")["asr/loss/train"] == [(1, 2.0), (2, 2.0)]


# wandb ---------------------------------------------------------------------------------------------

LOGS = """
import json, sys
from speechbrain_xser.training.experiment_loggers import make_loggers
from speechbrain_xser.training.train_log import TrainLog
[logger] = make_loggers("wandb", sys.argv[1])
log = TrainLog(sys.argv[1] + "/log.txt", [logger])
for epoch in sys.argv[2:]:
    log.log_stats({"epoch": int(epoch), "stage": "asr"}, {"loss": 2.0 / int(epoch)}, {"wer": 50.0})
log.log_stats({"test of": "asr"}, test_stats={"wer": 40.0})
run = logger.run
told = json.dumps([run.offline, run.name, dict(run.summary)], default=dict)
run.finish()
print(told)
"""


@pytest.mark.slow
def test_wandb_keeps_a_run_offline_and_a_resumed_training_goes_on_with_it(tmp_path):
    pytest.importorskip("wandb")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "WANDB_MODE": "offline", "PYTHONPATH": path}
    for epochs, loss in ((["1", "2"], 1.0), (["2", "3"], 2 / 3)):  # killed before a checkpoint
        words = [sys.executable, "-c", LOGS, str(tmp_path), *epochs]
        done = subprocess.run(words, check=True, env=environment, cwd=tmp_path, capture_output=True, text=True)
        offline, name, told = json.loads(done.stdout.splitlines()[-1])
        assert offline and name == str(tmp_path) and told["epoch"] == int(epochs[-1])
        assert told["train"] == {"asr/loss": loss} and told["test"] == {"asr/wer": 40}

    first, second = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert first.name.split("-")[-1] == second.name.split("-")[-1] == (tmp_path / RUN_ID).read_text()


class Refusing:
    """A stand-in for wandb's public interface, with nobody logged in."""

    class Error(Exception):
        """Its base of errors."""

    def __init__(self):
        self.asked = []

    def init(self, **options):
        """Refuses as wandb does."""
        self.asked.append(options)
        raise self.Error("No API key configured.\nUse `wandb login` to log in.")


def test_a_wandb_that_cannot_begin_is_one_clear_error_and_is_not_asked_on_other_ranks(tmp_path, monkeypatch):
    wandb = Refusing()
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=wandb.init, Error=wandb.Error, __spec__=True))
    with pytest.raises(TrainingError, match=r"could not begin a run \(No API key .*WANDB_MODE=offline"):
        make_loggers("wandb", tmp_path)
    monkeypatch.setattr("speechbrain_xser.training.experiment_loggers.if_main_process", lambda: False)
    monkeypatch.setattr("speechbrain.utils.train_logger.if_main_process", lambda: False)
    [made] = make_loggers("wandb", tmp_path)
    assert made.run is None
    assert [(call["dir"], call["resume"], call["project"]) for call in wandb.asked] == [
        (str(tmp_path), "allow", "speechbrain_xser")
    ]


def test_steps_that_a_killed_run_had_done_beyond_its_checkpoint_are_logged_once(tmp_path):
    killed = TrainLog(tmp_path / "train_log.txt")
    for step in (1, 2, 3):
        killed.log_step(step, {"reward": 0.0})
    with open(killed.steps_file, "a") as file:
        file.write('{"step": 4, "rew')  # killed while it wrote
    resumed = TrainLog(tmp_path / "train_log.txt")
    for step in (2, 3):
        resumed.log_step(step, {"reward": 1.0})
    lines = [json.loads(line) for line in resumed.steps_file.read_text().splitlines()]
    assert lines == [{"step": 1, "reward": 0.0}, {"step": 2, "reward": 1.0}, {"step": 3, "reward": 1.0}]
