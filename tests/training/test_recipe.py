"""``recipes/train.py`` on a tiny YAML, from the command line's arguments to the trained folder."""

import importlib.util
import json
import logging
import sys
from pathlib import Path

import pytest
import yaml

from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_manifest
from speechbrain_xser.training.training_settings import RUN_OPTIONS, TrainingSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    spec = importlib.util.spec_from_file_location("train_recipe", ROOT / "recipes" / "train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    handlers = list(logging.getLogger().handlers)
    yield module
    logging.getLogger().handlers[:] = handlers
    del sys.modules[spec.name]


def table(capsys):
    """What a run printed at its end."""
    return capsys.readouterr().out.partition("measure (%)")[2]


def arguments(folder, **values):
    manifests = {f"{split}_manifest": tiny_manifest(folder, 4, split=split) for split in ("train", "valid", "test")}
    tiny_encoder_folder(folder / "encoder")
    tiny_llm_folder(folder / "llm")
    values = {"output_folder": folder / "run", "backbones": folder, **manifests, **values}
    named = [f"--{key}={value}" for key, value in values.items()]
    return [str(ROOT / "tests" / "training" / "tiny.yaml"), "--device=cpu", "--noprogressbar", *named]


@pytest.mark.training
def test_a_run_ends_with_a_table_and_a_folder_that_answers_as_the_run_did_and_runs_again_from_its_checkpoint(
    script, tmp_path, capsys
):
    from speechbrain_xser.inference import ExplainableEmotionRecognizer

    command = arguments(tmp_path)
    script.main(command)
    printed = table(capsys)
    log = (tmp_path / "run" / "train_log.txt").read_text().splitlines()
    assert "UA" in printed and str(tmp_path / "run" / "model") in printed

    script.main(command)  # finished: evaluates again, trains no more
    assert table(capsys) == printed
    assert (tmp_path / "run" / "train_log.txt").read_text().splitlines()[:-1] == log

    recognizer = ExplainableEmotionRecognizer.from_hparams(source=str(tmp_path / "run" / "model"), speech_check=False)
    answers = map(json.loads, (tmp_path / "run" / "test_answers.jsonl").read_text().splitlines())
    wavs = {clip["id"]: clip["wav"] for clip in map(json.loads, (tmp_path / "test.jsonl").read_text().splitlines())}
    for found in answers:
        explained = recognizer.explain_file(wavs[found["id"]])
        assert explained.paragraph == found["answer"]
        assert explained.probabilities == pytest.approx(found["probabilities"], abs=1e-5)


@pytest.mark.slow
def test_a_run_s_folder_has_the_script_by_its_recipe_s_name_and_says_where_checkpoints_are(
    script, tmp_path, monkeypatch
):
    from speechbrain_xser.training import command

    monkeypatch.setattr(command, "run", lambda hparams, run_opts: None)
    script.main(arguments(tmp_path))
    folder = tmp_path / "run"
    assert not (folder / "command.py").exists()
    assert (folder / "train.py").read_text() == Path(command.__file__).read_text()
    [line] = [line for line in (folder / "log.txt").read_text().splitlines() if "CKPT" in line]
    assert f"Checkpoints are written to {folder / 'checkpoints'}/step-..." in line


def test_the_shared_training_file_lists_the_defaults_of_the_settings():
    listed = yaml.safe_load((ROOT / "hparams" / "training.yaml").read_text(encoding="utf-8"))

    listed |= {key: tuple(listed[key]) for key in ("stages", "new_branches")}
    assert TrainingSettings.from_hparams(listed) == TrainingSettings(objectives={}, stage_rates={})
    assert listed["max_grad_norm"] == RUN_OPTIONS["max_grad_norm"]


@pytest.mark.slow
def test_a_run_can_start_from_a_trained_folder_and_only_from_one_of_its_shape(tmp_path):
    import functools

    from speechbrain_xser.errors import CheckpointError
    from speechbrain_xser.model import build_model
    from speechbrain_xser.model_folder.save import write_model_folder
    from speechbrain_xser.testing import tiny_lobes, tiny_model
    from speechbrain_xser.training.run import make_model

    trained, lobes = tiny_model(tmp_path), tiny_lobes(tmp_path)
    folder = write_model_folder(tmp_path / "trained", trained, {"model": lobes})
    hparams = {"model": functools.partial(build_model, **lobes), "seed": 99, "start_from": folder}

    begun, fresh = make_model(hparams).state_dict(), make_model({**hparams, "start_from": None}).state_dict()
    assert all(begun[name].equal(tensor) for name, tensor in trained.state_dict().items())
    assert not all(fresh[name].equal(tensor) for name, tensor in trained.state_dict().items())
    with pytest.raises(CheckpointError, match="bottleneck"):
        make_model({**hparams, "model": functools.partial(build_model, **tiny_lobes(tmp_path, latent=4))})


@pytest.mark.slow
def test_a_run_can_start_from_a_folder_but_for_a_branch_of_another_shape(tmp_path):
    import functools

    from speechbrain_xser.errors import CheckpointError, SettingsError
    from speechbrain_xser.model import build_model
    from speechbrain_xser.model_folder.save import write_model_folder
    from speechbrain_xser.testing import tiny_lobes, tiny_model
    from speechbrain_xser.training.run import make_model

    trained, lobes = tiny_model(tmp_path), tiny_lobes(tmp_path)
    folder = write_model_folder(tmp_path / "trained", trained, {"model": lobes})
    branches = {**lobes["branches"], "content": tiny_lobes(tmp_path, latent=4)["branches"]["content"]}
    hparams = {"model": functools.partial(build_model, **{**lobes, "branches": branches}), "seed": 99}

    fresh = make_model(hparams).state_dict()
    begun = make_model({**hparams, "start_from": folder, "new_branches": ["content"]}).state_dict()
    for name, tensor in begun.items():
        known = fresh if name.startswith("branches.content.") else trained.state_dict()
        assert known[name].equal(tensor), name
    with pytest.raises(CheckpointError, match="content"):
        make_model({**hparams, "start_from": folder})
    with pytest.raises(SettingsError, match="'contents'; expected some of content, descriptor"):
        make_model({**hparams, "start_from": folder, "new_branches": ["contents"]})
    with pytest.raises(SettingsError, match="start_from, which is not given"):
        make_model({**hparams, "new_branches": ["content"]})


@pytest.mark.slow
def test_a_run_can_start_from_the_lora_of_a_folder_whose_branches_have_another_shape(tmp_path):
    import functools

    from speechbrain_xser.errors import CheckpointError
    from speechbrain_xser.model import build_model
    from speechbrain_xser.model_folder.save import write_model_folder
    from speechbrain_xser.testing import tiny_lobes, tiny_model
    from speechbrain_xser.training.run import make_model

    trained = tiny_model(tmp_path, latent=4)
    folder = write_model_folder(tmp_path / "trained", trained, {"model": tiny_lobes(tmp_path, latent=4)})
    hparams = {"model": functools.partial(build_model, **tiny_lobes(tmp_path)), "seed": 99}

    begun, fresh = make_model({**hparams, "start_lora": folder}).state_dict(), make_model(hparams).state_dict()
    lora = {name: tensor for name, tensor in trained.state_dict().items() if ".lora_" in name}
    assert lora and all(begun[name].equal(tensor) for name, tensor in lora.items())
    assert all(begun[name].equal(tensor) for name, tensor in fresh.items() if name not in lora)
    without = tiny_lobes(tmp_path, lora=None)
    bare = write_model_folder(tmp_path / "bare", tiny_model(tmp_path, lora=None), {"model": without})
    with pytest.raises(CheckpointError, match="has no LoRA"):
        make_model({**hparams, "start_lora": bare})
