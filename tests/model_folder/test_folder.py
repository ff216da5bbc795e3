"""A trained folder gives the trained model back, or says why not."""

import json
import os
import shutil
import subprocess
from functools import partial, wraps
from pathlib import Path

import peft
import pytest
import torch
from huggingface_hub import ModelCard
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from speechbrain_xser import packaged_model
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.prompt import PromptTemplate
from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.model_folder.card import model_card
from speechbrain_xser.model_folder.hyperparams import hyperparams_text, parse_hyperparams
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.lobes import KNOWN
from speechbrain_xser.model_folder.metadata import Backbone, Metadata
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.model_folder.settings import read_settings
from speechbrain_xser.model_folder.weight_checksums import write_checksums
from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder

COMMIT = "0" * 40
ROOT = Path(__file__).parents[2]
FRESH = """
import json, sys
from speechbrain_xser import ExplainableEmotionRecognizer
recognizer = ExplainableEmotionRecognizer.from_hparams(sys.argv[1], run_opts={"device": "cpu"}, speech_check=False)
print(json.dumps([recognizer.explain_file(path) for path in sys.argv[2:]]))
"""


def _answers(model, clips):
    wavs = [load_audio(path) for path in clips]
    return [model.generate(wav[None], torch.tensor([len(wav)]))[0] for wav in wavs]


@pytest.mark.slow
def test_a_reloaded_folder_gives_the_answers_of_the_model_in_memory(trained, recognizer):
    answers = _answers(trained.model, trained.clips)
    assert [recognizer.explain_file(path).paragraph for path in trained.clips] == answers
    assert any(answers)


def test_the_lora_in_the_folder_matters(trained, recognizer):
    with trained.model.decoder.llm.disable_adapter():
        without = _answers(trained.model, trained.clips)
    assert without != [recognizer.explain_file(path).paragraph for path in trained.clips]


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_explanations(trained, recognizer, python):
    command = [python, "-c", FRESH, trained.folder, *trained.clips]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    here = json.loads(json.dumps([recognizer.explain_file(path) for path in trained.clips]))
    there = json.loads(output.splitlines()[-1])
    assert [clip[:4] for clip in there] == [clip[:4] for clip in here]
    for one, other in zip(there, here, strict=True):
        assert one[4] == pytest.approx(other[4], abs=1e-6)


def test_the_frozen_backbones_are_not_in_the_folder(trained):
    files = {path.name: load_file(path) for path in trained.folder.rglob("*.safetensors")}
    assert set(files) == {"model.safetensors", "adapter_model.safetensors"}
    assert all(name.startswith("branches.") for name in files["model.safetensors"])
    assert all("lora_" in name for name in files["adapter_model.safetensors"])


def test_the_names_of_lora_are_asked_for_once_when_a_folder_is_loaded(monkeypatch):
    """PEFT walks through the whole LLM to answer."""
    asked, names_of = [], peft.get_peft_model_state_dict
    monkeypatch.setattr(peft, "get_peft_model_state_dict", lambda llm: asked.append(llm) or names_of(llm))
    read_model_folder(packaged_model())
    assert len(asked) == 1


def test_plain_peft_loads_the_adapter_folder(trained):
    source = trained.source("llm")
    ours = trained.model.decoder.llm
    ids = torch.arange(5)[None]
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(source), trained.folder / "adapter").eval()
    with torch.no_grad():
        torch.testing.assert_close(plain(input_ids=ids).logits, ours(input_ids=ids).logits)


def test_no_file_of_the_folder_is_a_pickle_or_code(trained):
    suffixes = {path.suffix for path in trained.folder.rglob("*") if path.is_file()}
    assert suffixes == {".yaml", ".json", ".safetensors", ".md"}


def _rewrite(path, change):
    tensors = load_file(path)
    save_file(change(tensors), path)
    write_checksums(path.parent.parent if path.parent.name == "adapter" else path.parent)
    return next(iter(tensors))


@pytest.mark.parametrize("part", ["model.safetensors", "adapter/adapter_model.safetensors"])
def test_a_missing_key_is_named(folder, part):
    key = _rewrite(folder / part, lambda tensors: dict(list(tensors.items())[1:]))
    with pytest.raises(CheckpointError, match=key.replace(".", r"\.")):
        read_model_folder(folder)


@pytest.mark.parametrize("part", ["model.safetensors", "adapter/adapter_model.safetensors"])
def test_an_unexpected_key_is_named(folder, part):
    _rewrite(folder / part, lambda tensors: {**tensors, "stranger": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="stranger"):
        read_model_folder(folder)


@pytest.mark.parametrize("part", ["model.safetensors", "adapter/adapter_model.safetensors"])
def test_a_mis_shaped_key_is_named(folder, part):
    key = _rewrite(folder / part, lambda tensors: {name: value[None] for name, value in tensors.items()})
    with pytest.raises(CheckpointError, match=key.replace(".", r"\.")):
        read_model_folder(folder)


@pytest.mark.parametrize("part", ["model.safetensors", "adapter/adapter_model.safetensors"])
def test_a_torn_or_missing_weight_file_is_named(folder, part):
    (folder / part).write_bytes((folder / part).read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=Path(part).name):
        read_model_folder(folder)
    (folder / part).unlink()
    with pytest.raises(CheckpointError, match=Path(part).name):
        read_model_folder(folder)


def test_a_pickle_under_a_safetensors_name_is_refused(folder):
    torch.save({"content": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="model.safetensors"):
        read_model_folder(folder)


@pytest.mark.parametrize(("part", "writer"), [("encoder", tiny_encoder_folder), ("llm", tiny_llm_folder)])
def test_another_base_is_refused_and_both_are_named(trained, tmp_path, part, writer):
    other = writer(tmp_path / "other", seed=1)
    with pytest.raises(BackboneError) as caught:
        read_model_folder(trained.folder, {f"{part}_source": other})
    assert other in str(caught.value)
    assert trained.source(part) in str(caught.value)


def test_a_moved_copy_of_the_base_is_the_same_base(trained, tmp_path):
    copy = tiny_encoder_folder(tmp_path / "moved")
    model, _ = read_model_folder(trained.folder, {"encoder_source": copy})
    assert _answers(model, trained.clips[:1]) == _answers(trained.model, trained.clips[:1])


def test_a_base_that_is_gone_is_named(trained, tmp_path):
    gone = str(tmp_path / "gone")
    with pytest.raises(BackboneError, match="gone"):
        read_model_folder(trained.folder, {"encoder_source": gone})


@pytest.mark.parametrize(
    "line", ["max_seconds: -1", "emotions: [bored]", "emotions: [sad, sad]", "stage: none", "llm_source: 3"]
)
def test_a_value_that_no_model_can_have_is_refused(folder, line):
    path = folder / "hyperparams.yaml"
    key = line.split(":")[0]
    lines = [line if old.startswith(key + ":") else old for old in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    with pytest.raises(UnsafeModelError, match=key.removeprefix("llm_")):
        read_model_folder(folder, hparams_file="hyperparams.yaml")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"max_seconds": 5.0', '"max_seconds": -1', "max_seconds"),
        ('"stage": "ser"', '"stage": "none"', "stage"),
        ('"latent": 8', '"latent": 8, "colour": 1', r"content: bottleneck: build_bottleneck has unknown \['colour'\]"),
        ('"type": "Adapter"', '"type": "Sequential"', "'Sequential' is no lobe"),
        ('"source": "', '"place": "', "lacks"),
        ('"encoder": {', '"listener": {', "model has"),
    ],
)
def test_settings_that_no_model_can_have_are_refused(folder, old, new, told):
    path = folder / "settings.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UnsafeModelError, match=told):
        read_model_folder(folder)


def test_settings_and_hyperparameters_say_the_same(trained):
    settings = read_settings(trained.folder / "settings.json")
    assert parse_hyperparams((trained.folder / "hyperparams.yaml").read_text())[0] == settings
    assert hyperparams_text(settings) == (trained.folder / "hyperparams.yaml").read_text()


@pytest.mark.parametrize("name", ["../hyperparams.yaml", "/etc/hyperparams.yaml", "custom.py", "a/b.yaml"])
def test_a_yaml_outside_the_folder_is_refused(trained, name):
    with pytest.raises(UnsafeModelError, match="plain name"):
        read_model_folder(trained.folder, hparams_file=name)


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/x.safetensors", "a/b.safetensors", "a\\b.safetensors", "..", "x.pt"]
)
def test_a_weight_file_outside_the_folder_is_refused(folder, name):
    path = folder / "hyperparams.yaml"
    path.write_text(path.read_text().replace("branches: model.safetensors", f"branches: '{name}'"))
    with pytest.raises(UnsafeModelError, match="plain name"):
        read_model_folder(folder, hparams_file="hyperparams.yaml")


def test_a_merged_model_is_not_written(trained, tmp_path):
    model, _ = read_model_folder(trained.folder)
    model.decoder.merge()
    with pytest.raises(CheckpointError, match="before merging"):
        write_model_folder(tmp_path / "new", model, trained.config)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_folder_as_it_was(trained, folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("speechbrain_xser.model_folder.save.save_file", _disk_full)
    with pytest.raises(CheckpointError, match="No space left"):
        write_model_folder(folder, trained.model, trained.config)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def _disk_full(*_, **__):
    raise OSError(28, "No space left on device")


def test_writing_again_replaces_the_folder(trained, folder):
    (folder / "stray.txt").write_text("old")
    write_model_folder(folder, trained.model, trained.config)
    assert not (folder / "stray.txt").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    "change", [{"model": {"encoder": 8}}, {"stage": "none"}, {"emotions": []}, {"training": {1: {2}}}]
)
def test_a_configuration_that_is_none_is_refused_at_writing(trained, tmp_path, change):
    with pytest.raises(CheckpointError, match="config"):
        write_model_folder(tmp_path / "new", trained.model, {**trained.config, **change})


def test_a_prompt_text_that_could_not_be_read_back_is_refused_at_writing(trained, tmp_path):
    decoder = partial(trained.config["model"]["decoder"], template=PromptTemplate("Look at <Content>"))
    model = {**trained.config["model"], "decoder": decoder}
    with pytest.raises(UnsafeModelError, match="reference"):
        write_model_folder(tmp_path / "new", trained.model, {**trained.config, "model": model})


def test_the_card_names_backbones_and_figures(trained):
    card = (trained.folder / "README.md").read_text(encoding="utf-8")
    fingerprint = json.loads((trained.folder / "metadata.json").read_text())["backbones"]["llm"]["fingerprint"]
    assert card.startswith("---\nlibrary_name: speechbrain\n")
    assert fingerprint[:12] in card
    assert "* UA: 0.5" in card


def test_the_hub_reads_the_cards_front_matter():
    backbones = {"llm": Backbone("owner/llm", COMMIT, "ab" * 32), "encoder": Backbone("packaged:x", None, "cd" * 32)}
    data = ModelCard(model_card(Metadata("1", backbones, {}), "ser", ["sad"], 30.0)).data
    assert (data.library_name, data.license, data.base_model) == ("speechbrain", "apache-2.0", ["owner/llm"])


def test_a_card_of_ones_own_is_written_as_it_is(trained, tmp_path):
    folder = write_model_folder(tmp_path / "new", trained.model, trained.config, card="# Mine")
    assert (Path(folder) / "README.md").read_text(encoding="utf-8") == "# Mine"


def test_metadata_that_could_not_be_read_back_is_refused_at_writing(trained, tmp_path):
    with pytest.raises(CheckpointError, match="record less"):
        write_model_folder(tmp_path / "new", trained.model, {**trained.config, "training": {"log": "x" * 70000}})
    assert not list(tmp_path.iterdir())


def test_a_base_that_the_metadata_does_not_name_is_refused(folder):
    content = json.loads((folder / "metadata.json").read_text())
    del content["backbones"]["llm"]
    (folder / "metadata.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="names no llm"):
        read_model_folder(folder)


def test_every_argument_of_the_model_is_written_out(trained):
    _, settings = read_model_folder(trained.folder)

    def lobes(value):
        found = [value] if "type" in value else []
        return found + [lobe for part in value.values() if isinstance(part, dict) for lobe in lobes(part)]

    written = lobes(settings["model"])
    lobes_of_the_paper = "FrozenEncoder build_branch build_bottleneck Adapter LLMDecoder PromptTemplate"
    assert {lobe["type"] for lobe in written} == set(lobes_of_the_paper.split())
    assert all(set(lobe) - {"type"} == set(KNOWN[lobe["type"]].arguments) for lobe in written)


def test_the_card_shows_no_path_of_the_machine_that_trained(trained):
    assert str(trained.folder.parent) not in (trained.folder / "README.md").read_text(encoding="utf-8")


def test_metadata_of_another_format_is_refused(folder):
    (folder / "metadata.json").write_text('{"format": 99}')
    with pytest.raises(CheckpointError, match="format 99"):
        ExplainableEmotionRecognizer.from_hparams(folder)


def test_a_folder_from_before_silence_was_cut_is_read(folder):
    path, text = folder / "settings.json", folder / "hyperparams.yaml"
    settings = json.loads(path.read_text())
    assert settings.pop("cut_silence") is False
    path.write_text(json.dumps(settings))
    text.write_text(text.read_text().replace("cut_silence: false\n", ""))
    for overrides in (None, {"llm_dtype": "float32"}):
        assert read_model_folder(folder, overrides)[1]["cut_silence"] is False


def test_a_start_is_no_stage_that_answers(folder):
    path = folder / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stage": "labels"}))
    with pytest.raises(UnsafeModelError, match="stage is 'labels'"):
        read_model_folder(folder)


def test_a_model_of_the_package_is_built_once_and_a_strangers_copy_is_compared_first(tmp_path, monkeypatch):
    devices, built = [], LLMDecoder.__init__

    @wraps(built)
    def noted(self, *args, **kwargs):
        devices.append(torch.empty(0).device.type)
        built(self, *args, **kwargs)

    monkeypatch.setattr(LLMDecoder, "__init__", noted)
    read_model_folder(packaged_model("tiny"))
    read_model_folder(shutil.copytree(packaged_model("tiny"), tmp_path / "copy"))
    assert devices == ["cpu", "meta", "cpu"]
