"""A released folder answers as the trained one did, holds what it says, and is there whole or not at all."""

import json
import shutil
import stat
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from speechbrain_xser import packaged_model
from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.synthetic.corpus import plan, speak
from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.card import model_card
from speechbrain_xser.model_folder.load import load_weights, read_model_folder
from speechbrain_xser.model_folder.metadata import Backbone, Metadata
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.testing import tiny_lobes

CPU = {"device": "cpu"}


@pytest.fixture(scope="module")
def released(trained, tmp_path_factory) -> Path:
    """The trained folder, merged, with its encoder inside."""
    out = tmp_path_factory.mktemp("released") / "model"
    release_folder(trained.folder, out, with_encoder=True, corpora={"EmoDB": "CC0 1.0"})
    return out


@pytest.fixture
def copy(released, tmp_path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "copy"))


def explanations(folder, clips):
    recognizer = ExplainableEmotionRecognizer.from_hparams(folder, run_opts=CPU, speech_check=False)
    return [recognizer.explain_file(path) for path in clips]


@pytest.mark.slow
def test_the_packaged_model_merged_says_the_same_with_the_same_probabilities(tmp_path):
    release_folder(packaged_model(), tmp_path / "merged")
    wav = torch.as_tensor(speak(plan("test", 0, seed=1))).float()[None]
    [one], [other] = (
        ExplainableEmotionRecognizer.from_hparams(folder, run_opts=CPU).explain_batch(wav)
        for folder in (packaged_model(), tmp_path / "merged")
    )
    assert other.paragraph == one.paragraph and other.transcript
    assert other.probabilities == pytest.approx(one.probabilities, abs=1e-4)


@pytest.mark.slow
def test_a_merged_folder_answers_as_the_trained_one_did_without_its_backbones(trained, released, tmp_path):
    moved = shutil.copytree(released, tmp_path / "elsewhere")
    for one, other in zip(explanations(trained.folder, trained.clips), explanations(moved, trained.clips), strict=True):
        assert other[:4] == one[:4]
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-4)


def test_the_merged_weight_is_base_plus_scaled_product(trained, released):
    name = "model.layers.0.self_attn.q_proj"
    base = load_file(Path(trained.source("llm")) / "model.safetensors")[f"{name}.weight"]
    lora = load_file(trained.folder / "adapter" / "adapter_model.safetensors")
    down, up = (lora[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    merged = load_file(released / "llm" / "model.safetensors")[f"{name}.weight"]
    torch.testing.assert_close(merged, base + 32 / 16 * up @ down)  # alpha / r of the paper
    assert not torch.equal(merged, base)


def test_exporting_again_gives_the_same_bytes(trained, released, tmp_path):
    release_folder(trained.folder, tmp_path / "model", with_encoder=True, corpora={"EmoDB": "CC0 1.0"})
    files = {path.relative_to(released) for path in released.rglob("*") if path.is_file()}
    assert {Path("llm/model.safetensors"), Path("encoder/model.safetensors")} < files
    assert all((tmp_path / "model" / name).read_bytes() == (released / name).read_bytes() for name in files)


@pytest.mark.slow
def test_an_exported_folder_can_be_exported_again(released, trained, tmp_path):
    release = release_folder(released, tmp_path / "model")
    assert (release.merged, release.inside) == (False, ("encoder", "llm"))
    one, other = (explanations(folder, trained.clips[:1]) for folder in (released, tmp_path / "model"))
    assert one == other
    assert "made from" in (tmp_path / "model" / "README.md").read_text()


def test_plain_transformers_loads_the_llm(released):
    llm = AutoModelForCausalLM.from_pretrained(released / "llm")
    tokenizer = AutoTokenizer.from_pretrained(released / "llm")
    assert llm.config.vocab_size >= len(tokenizer)


@pytest.mark.slow
def test_without_merging_the_adapter_is_kept_as_it_is(trained, tmp_path):
    release = release_folder(trained.folder, tmp_path / "model", merge=False)
    assert (release.merged, release.inside) == (False, ())
    for name in ("adapter/adapter_model.safetensors", "adapter/adapter_config.json", "model.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (trained.folder / name).read_bytes()
    one, other = (explanations(folder, trained.clips[:1]) for folder in (trained.folder, tmp_path / "model"))
    assert one == other


def test_what_others_need_beside_the_folder_is_told(trained, tmp_path):
    done = CliRunner().invoke(xser, ["export", str(trained.folder), "--out", str(tmp_path / "model"), "--json"])
    told = json.loads(done.stdout)
    assert told["inside"] == ["llm"] and told["merged"] and told["published"] is None
    assert [need.split()[0] for need in told["needs"]] == ["encoder"] and "a folder of this machine" in told["needs"][0]


def test_everybody_who_may_read_the_card_may_read_the_weights(released):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in released.rglob("*") if path.is_file()}
    assert len(modes) == 1


def test_quantised_training_is_merged_into_the_plain_weights_and_stays_quantised_in_use(trained, tmp_path):
    path = Path(shutil.copytree(trained.folder, tmp_path / "trained")) / "settings.json"
    path.write_text(path.read_text().replace('"quantization": null', '"quantization": "8bit"', 1))
    release_folder(path.parent, tmp_path / "model")
    assert "quantization: 8bit" in (tmp_path / "model" / "hyperparams.yaml").read_text()
    assert load_file(tmp_path / "model" / "llm" / "model.safetensors")["model.norm.weight"].dtype == torch.float32


@pytest.mark.parametrize("broken", ["transformers.PreTrainedModel.save_pretrained", "shutil.copyfile"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_export_leaves_what_was_there_and_nothing_else(trained, copy, monkeypatch, broken, error):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(broken, fail)
    with pytest.raises((CheckpointError, KeyboardInterrupt)):
        release_folder(trained.folder, copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize("place", [".", "adapter", "..", "adapter/new"])
def test_the_trained_folder_itself_is_never_the_place(folder, place):
    with pytest.raises(CheckpointError, match="choose another place"):
        release_folder(folder, folder / place)
    assert (folder / "model.safetensors").exists()


def rewrite(path: Path, **values) -> None:
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **values}))


@pytest.mark.parametrize("source", ["inside:..", "inside:../llm", "inside:encoder", "inside:/etc", "inside:"])
def test_a_source_inside_can_be_the_folder_s_own_llm_alone(copy, source):
    path = copy / "settings.json"
    path.write_text(path.read_text().replace('"source": "inside:llm"', f'"source": "{source}"'))
    with pytest.raises(UnsafeModelError, match="inside a folder it is 'inside:llm'"):
        read_model_folder(copy)


def test_a_link_out_of_the_folder_is_not_followed(copy, tmp_path):
    shutil.move(copy / "llm", tmp_path / "llm")
    (copy / "llm").symlink_to(tmp_path / "llm")
    with pytest.raises(UnsafeModelError, match="is a link that leaves the model folder"):
        read_model_folder(copy)


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "modeling_x.py", "pytorch_model.bin", "other.safetensors", "sub"]
)
def test_a_file_that_no_backbone_needs_is_refused(copy, name):
    (copy / "llm" / name).mkdir() if name == "sub" else (copy / "llm" / name).write_text("{}")
    with pytest.raises(UnsafeModelError, match=name.replace(".", r"\.")):
        read_model_folder(copy)


def test_a_shard_outside_of_the_folder_is_refused(copy):
    rewrite(copy / "llm" / "model.safetensors.index.json", weight_map={"model.norm.weight": "../../secret.safetensors"})
    with pytest.raises(UnsafeModelError, match="names of shards in the same folder"):
        read_model_folder(copy)


@pytest.mark.parametrize("part", ["config.json", "tokenizer_config.json"])
def test_code_of_a_model_of_its_own_is_refused(copy, part):
    rewrite(copy / "llm" / part, auto_map={"AutoModelForCausalLM": "owner/name--modeling.Model"})
    with pytest.raises(UnsafeModelError, match="auto_map"):
        read_model_folder(copy)


def test_other_weights_in_the_llm_s_place_are_refused(copy):
    path = copy / "llm" / "model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match="is not the one used in training"):
        read_model_folder(copy)


def test_training_does_not_begin_with_a_merged_folder_in_silence(trained, released):
    with pytest.raises(CheckpointError, match=r"this model's parts are \['adapter', 'branches'\]"):
        load_weights(trained.model, released)


def card(bases=None, **training):
    backbones = {
        "llm": Backbone("inside:llm" if bases else "meta-llama/Llama-3.1-8B-Instruct", None, "ab" * 32),
        "encoder": Backbone("facebook/hubert-large-ls960-ft", None, "cd" * 32),
    }
    training |= {"bases": bases} if bases else {}
    return ModelCard(model_card(Metadata("1", backbones, training), "ser", ["sad"], 30.0, not bases, name="mine"))


def test_a_card_with_the_llm_inside_has_the_llm_s_licence_and_names_its_base():
    data = card({"llm": "meta-llama/Llama-3.1-8B-Instruct"}).data
    assert data.license == "llama3.1" and data.base_model_relation == "finetune"
    assert data.base_model == ["meta-llama/Llama-3.1-8B-Instruct", "facebook/hubert-large-ls960-ft"]


def contents(card):
    return " ".join(card.text.partition("## Contents\n\n")[2].partition("\n\n|")[0].split())


def test_a_card_says_what_the_folder_contains_and_what_is_loaded_by_name():
    own = "This folder contains the branches and adapters (`model.safetensors`) and"
    fingerprint = "Each backbone must have its fingerprint in this table (first 12 digits of the SHA-256):"
    assert contents(card()) == (
        f"{own} the LoRA of the decoder (`adapter/`). Plain `peft` loads the LoRA onto its base. "
        f"`from_hparams` loads the LLM and the frozen encoder by name. {fingerprint}"
    )
    assert contents(card({"llm": "owner/name"})) == (
        f"{own} the LLM (`llm/`). `from_hparams` loads the frozen encoder by name. {fingerprint}"
    )


def test_a_card_asks_for_an_encoder_that_no_folder_can_name():
    backbones = {"llm": Backbone("packaged:llama-tiny", None, "ab" * 32)}
    text = model_card(Metadata("1", backbones, {}), "ser", ["sad"], 30.0)
    assert "pass it to `from_hparams` as `custom_encoder`" in text and "as `custom_encoder`" not in card().text


def test_the_card_of_a_folder_without_lora_names_none(tmp_path):
    lobes = tiny_lobes(tmp_path, hears=["content", "descriptor"])
    folder = write_model_folder(tmp_path / "heads", build_model(**lobes), {"model": lobes})
    text = Path(folder, "README.md").read_text()
    assert "- lora\n" not in text and "`adapter/`" not in text


def test_a_base_of_an_unknown_licence_is_not_given_ours():
    found = card({"llm": "owner/name"})
    assert (found.data.license, found.data.license_name) == ("other", "see-the-section-licence")
    assert "`owner/name`" in found.text.partition("## Licence")[2]


def test_measured_results_are_the_hub_s_model_index():
    learnt = {"SpeechCraft": None, "MELD": None}
    data = card(corpus="MELD", corpora=learnt, test={"ua": 41.234, "wa": 55.0, "pitch": 60.0}).data
    found = {(r.task_type, r.dataset_name, r.metric_type, r.metric_value) for r in data.eval_results}
    assert found == {
        ("audio-classification", "MELD", "recall", 41.23),
        ("audio-classification", "MELD", "accuracy", 55.0),
    }
    assert data.base_model_relation == "adapter" and data.metrics == ["accuracy", "recall"]


def test_the_terms_of_every_corpus_are_in_the_card():
    text = card(corpora={"RAVDESS": "CC BY-NC-SA 4.0: not for commercial use", "mine": None}).text
    assert "* RAVDESS: CC BY-NC-SA 4.0: not for commercial use" in text and "* mine: its terms are not known" in text


def test_results_are_of_no_corpus_that_was_not_recorded():
    [result] = card(corpora={"MELD": None}, test={"wer": 5.0}).data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("test set of the run", "wer", 5.0)


@pytest.mark.slow
def test_nobody_else_s_files_are_lost_under_an_export(trained, tmp_path):
    for number, name in enumerate(("README.md", "encoder/my.txt", "llm/notes.md", "adapter/adapter_config.json")):
        path = tmp_path / str(number) / name
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        with pytest.raises(CheckpointError, match="choose a new folder"):
            release_folder(trained.folder, tmp_path / str(number))
        assert path.read_text() == "mine"


def test_another_trained_folder_is_not_replaced_by_an_export(trained, tmp_path):
    other = shutil.copytree(trained.folder, tmp_path / "other")
    with pytest.raises(CheckpointError, match="not an older export"):
        release_folder(trained.folder, other)
    assert (Path(other) / "adapter" / "adapter_model.safetensors").is_file()


def test_what_a_link_in_a_folder_leads_to_is_never_published(trained, tmp_path):
    (tmp_path / "secret").write_text("mine")
    copy = Path(shutil.copytree(trained.folder, tmp_path / "copy"))
    (copy / "mean_voice.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeModelError, match="mean_voice.safetensors: is a link that leaves"):
        release_folder(copy, tmp_path / "out")


def test_lora_of_a_base_has_the_base_s_licence_wherever_the_base_lies():
    backbones = {"llm": Backbone("meta-llama/Llama-3.1-8B-Instruct", "0e9e39f", "ab" * 32)}
    card = model_card(Metadata("0.1.0", backbones, {"bases": {}}), "ser", ["sad"], 30.0, has_lora=True)
    assert "license: llama3.1" in card.splitlines()
    assert "made with `meta-llama/Llama-3.1-8B-Instruct`, whose licence may bind it" in card.partition("## Licence")[2]


def test_a_damaged_export_is_no_place_for_another_one(released, trained, tmp_path):
    place = Path(shutil.copytree(released, tmp_path / "old"))
    (place / "metadata.json").write_text("{")
    with pytest.raises(CheckpointError, match="not an older export"):
        release_folder(trained.folder, place)


def test_a_link_to_itself_is_named(trained, tmp_path):
    copy = Path(shutil.copytree(trained.folder, tmp_path / "copy"))
    (copy / "mean_voice.safetensors").symlink_to("mean_voice.safetensors")
    with pytest.raises(UnsafeModelError, match="mean_voice.safetensors: is a link to itself"):
        release_folder(copy, tmp_path / "out")


@pytest.mark.slow
def test_the_hub_s_cache_links_to_blobs_of_its_own_and_no_other_folder_may(trained, tmp_path):
    def linked(place):
        copy = Path(shutil.copytree(trained.folder, place))
        blob = place.parents[1] / "blobs" / "abc"
        blob.parent.mkdir(exist_ok=True)
        (copy / "README.md").rename(blob)
        (copy / "README.md").symlink_to(blob)
        return copy

    assert release_folder(linked(tmp_path / "cache" / "snapshots" / "abc"), tmp_path / "out")
    with pytest.raises(UnsafeModelError, match="README.md: is a link that leaves"):
        release_folder(linked(tmp_path / "mine" / "models" / "abc"), tmp_path / "another")
