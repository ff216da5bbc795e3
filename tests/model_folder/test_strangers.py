"""What a stranger's model folder may name, and what decides what is built from it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from speechbrain_xser import ExplainableEmotionRecognizer, packaged_model
from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from speechbrain_xser.model_folder import known_sources, load, plain_files, tokenizer_files, weights
from speechbrain_xser.model_folder.backbone_files import check_backbone_files
from speechbrain_xser.model_folder.hyperparams import check_agreement
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.plain_files import MOST_FILES, check_files
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.settings import read_settings
from speechbrain_xser.model_folder.tokenizer_files import check_tokenizer

ROOT = Path(__file__).parents[2]
COMMIT = "0" * 40
EXPRESSIONS = {  # of the tokenizers of Llama 3, GPT-2, Qwen 2 and GPT-4o
    "Llama 3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "GPT-4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
HOSTILE_EXPRESSIONS = (
    *("(a+)+", "(a|b*)*", "((x{2,})y)+", "(?:a+|b)+c", "a*b*c*d*e*", r"(\s+\S){2000}", "(?:(a+))*", r"(\w|\w\w|.)*x"),
    "(a?b)+",
)
OWN = """
from transformers import LlamaConfig, LlamaForCausalLM
open({trace!r}, "a").write("ran")
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def stranger(monkeypatch, tmp_path):
    """A machine where nobody has written a model folder yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_place_on_this_machine_is_loaded_where_its_user_wrote_a_folder_with_it(trained):
    assert read_model_folder(trained.folder)


def test_a_place_on_this_machine_is_refused_where_nobody_wrote_a_folder_with_it(stranger, trained):
    with pytest.raises(UnsafeModelError, match=r"encoder_source is '.*give overrides=\{'encoder_source'"):
        read_model_folder(trained.folder)
    with pytest.raises(UnsafeModelError, match="encoder_source"):
        release_folder(trained.folder, trained.folder.with_name("out"))


def test_what_the_caller_names_is_loaded_wherever_it_lies(stranger, trained):
    own = {f"{name}_source": trained.source(name) for name in ("encoder", "llm")}
    assert read_model_folder(trained.folder, own)


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_hub_id_is_taken_as_a_stranger_s_which_its_fingerprint_names(stranger, revision):
    sources = {"llm": ("owner/name", revision)}
    known_sources.check_sources(sources, "model")
    assert known_sources.strange_sources(sources) == ["llm"]


def test_weights_of_any_kind_may_be_large_and_a_text_may_not(tmp_path):
    for name in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"):
        (tmp_path / name).write_bytes(bytes(plain_files.MOST_TEXT_BYTES + 1))
        plain_files.check_file(tmp_path / name)
    (tmp_path / "vocab.txt").write_bytes(bytes(plain_files.MOST_TEXT_BYTES + 1))
    with pytest.raises(UnsafeModelError, match="expected at most"):
        plain_files.check_file(tmp_path / "vocab.txt")


@pytest.mark.parametrize(
    ("pattern", "growth"),
    [({"Regex": " {2,}"}, 1.0), ({"Regex": " *"}, 2.0), ({"Regex": "(?<x"}, 2.0), ({"String": "ab"}, 1.0)],
)
def test_a_replacement_multiplies_by_what_it_puts_in(pattern, growth):
    assert tokenizer_files._growth({"type": "Replace", "pattern": pattern, "content": " "}) == growth


def test_a_folder_with_the_name_of_a_hub_id_is_a_place_on_this_machine(stranger, tmp_path, monkeypatch):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafeModelError, match="a place that its author chose"):
        known_sources.check_sources({"llm": ("owner/name", COMMIT)}, "model")


def test_the_class_of_an_llm_elsewhere_is_never_trusted(tmp_path):
    def trusted(source):
        settings = {"model": {"decoder": {"source": source}}}
        return "trust_remote_code" in load._trusted(settings, tmp_path)["model"]["decoder"]

    assert trusted(str(tmp_path / "llm"))
    assert not any(map(trusted, ("owner/name", "packaged:llama-tiny", str(tmp_path.parent / "llm"))))


@pytest.mark.parametrize("name", ["encoder.weight", "decoder.llm.model.weight", "branches.content.recognizer.weight"])
def test_weights_of_a_backbone_are_looked_at_where_a_stranger_made_it(name):
    class Model(torch.nn.Module):
        def named_parameters(self):
            return [(name, torch.tensor([float("nan")]))]

    backbone = weights._backbone_of(name)
    weights.check_finite(Model(), "model")
    with pytest.raises(CheckpointError, match="not finite"):
        weights.check_finite(Model(), "model", [backbone])


def test_without_a_place_for_notes_a_warning_says_so(monkeypatch, tmp_path, caplog):
    (tmp_path / "state").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    known_sources.remember_sources({"llm": ("/models/llm", None)})
    assert "/models/llm cannot be noted as known" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("max_seconds: 5.0", "max_seconds: 9.0", "max_seconds"),
        ("latent: 8", "latent: 9", "model.branches.content.bottleneck.latent"),
        ("adapter: adapter", "adapter: other", "pretrainer.adapter"),
        ("stage: ser", "stage: ser\nfreeze: true", "freeze"),
    ],
)
def test_a_yaml_that_says_something_else_than_the_json_is_refused(folder, old, new, told):
    path = folder / "hyperparams.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UnsafeModelError, match=f"differs from settings.json in {told}"):
        ExplainableEmotionRecognizer.from_hparams(folder)


def test_a_yaml_of_other_form_that_says_the_same_is_accepted(folder):
    path = folder / "hyperparams.yaml"
    path.write_text("# mine\n" + path.read_text().replace("max_seconds: 5.0", "max_seconds:   5.0  # of a clip"))
    check_agreement(path, read_settings(folder / "settings.json"))


def test_without_the_yaml_the_json_alone_builds_the_model(folder):
    (folder / "hyperparams.yaml").unlink()
    assert read_model_folder(folder, {"llm_dtype": "float32"})


def test_a_folder_of_as_many_files_as_are_allowed_is_read_and_none_of_more(tmp_path):
    for number in range(MOST_FILES):
        (tmp_path / f"{number}.txt").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "elsewhere").symlink_to("/etc")  # hidden folders are never read
    check_files(tmp_path)
    (tmp_path / "more").touch()
    with pytest.raises(UnsafeModelError, match="holds more than"):
        check_files(tmp_path)


@pytest.mark.parametrize("name", ["packaged:llama-tiny", "packaged:hubert-tiny"])
def test_the_package_s_own_backbones_are_within_the_bounds(name):
    from speechbrain_xser.utils.sources import resolve_source

    check_backbone_files(resolve_source(name))


def test_the_small_model_s_backbones_are_within_the_bounds(small):
    from speechbrain_xser.utils.sources import resolve_source

    for source in small:
        check_backbone_files(resolve_source(source))


def tokenizer_with(folder, expression):
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    (folder / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": split}))
    return folder


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_expressions_of_common_tokenizers_are_accepted(tmp_path, expression):
    check_tokenizer(tokenizer_with(tmp_path, expression))


@pytest.mark.parametrize("expression", HOSTILE_EXPRESSIONS)
def test_an_expression_that_may_never_end_is_refused(tmp_path, expression):
    with pytest.raises(BackboneError, match="repeats a repetition"):
        check_tokenizer(tokenizer_with(tmp_path, expression))


@pytest.fixture(scope="module")
def own_code(tmp_path_factory):
    """A folder whose LLM has classes of its own, and the file that they write when they run."""
    place = tmp_path_factory.mktemp("own")
    folder = Path(release_folder(packaged_model("tiny"), place / "model").folder)
    trace = place / "trace"
    (folder / "llm" / "own.py").write_text(OWN.format(trace=str(trace)))
    config = json.loads((folder / "llm" / "config.json").read_text())
    named = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (folder / "llm" / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": named}))
    from speechbrain_xser.utils.sources import fingerprint

    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["backbones"]["llm"]["fingerprint"] = fingerprint(folder / "llm")
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder, trace


def test_without_trust_no_code_of_a_folder_runs(own_code):
    folder, trace = own_code
    with pytest.raises(UnsafeModelError, match=r"own\.py"):
        ExplainableEmotionRecognizer.from_hparams(folder)
    with pytest.raises(UnsafeModelError, match=r"own\.py"):
        read_model_folder(folder)
    assert not trace.exists()


TRUSTING = """
import sys, torch
from speechbrain_xser import ExplainableEmotionRecognizer
recognizer = ExplainableEmotionRecognizer.from_hparams(
    sys.argv[1], run_opts={"device": "cpu"}, speech_check=False, trust_remote_code=True
)
[found] = recognizer.explain_batch(0.1 * torch.randn(1, 16000))
print(type(recognizer.mods.model.decoder.causal).__name__, round(sum(found.probabilities.values()), 3))
"""


@pytest.mark.slow
def test_with_trust_the_classes_beside_an_llm_are_those_that_answer(own_code, tmp_path, python):
    folder, trace = own_code
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "modules")}
    command = [python, "-c", TRUSTING, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "OwnModel 1.0"
    assert trace.read_text().startswith("ran")


def test_trust_is_no_setting_of_a_folder(folder):
    path = folder / "settings.json"
    settings = json.loads(path.read_text())
    settings["model"]["decoder"]["trust_remote_code"] = True
    path.write_text(json.dumps(settings))
    with pytest.raises(UnsafeModelError, match=r"unknown \['trust_remote_code'\]"):
        read_model_folder(folder)


def test_trust_does_not_reach_code_of_another_repository(own_code, tmp_path):
    import shutil

    folder = Path(shutil.copytree(own_code[0], tmp_path / "copy"))
    config = json.loads((folder / "llm" / "config.json").read_text())
    config["auto_map"]["AutoConfig"] = "owner/name--own.OwnConfig"
    (folder / "llm" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsafeModelError, match="auto_map"):
        read_model_folder(folder, trust_remote_code=True)


def test_probabilities_that_are_no_numbers_are_never_told(recognizer, trained, monkeypatch):
    none = torch.full((1, 7), float("nan"), dtype=torch.float64)
    monkeypatch.setattr(type(recognizer.mods.model), "explain_tokens", lambda *_, **__: (["a"], none))
    with pytest.raises(CheckpointError, match="no finite numbers"):
        recognizer.explain_file(trained.clips[0])
