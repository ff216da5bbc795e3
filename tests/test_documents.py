"""The examples of the documents, run."""

import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.integrations.huggingface.hubert import HuBERT
from transformers import AutoModel

from speechbrain_xser import packaged_model
from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.utils.sources import resolve_source
from tests.local_server import local_server, send

ROOT = Path(__file__).parents[1]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.training
def test_the_page_of_the_lobes_runs_as_written_on_each_of_its_encoders(tmp_path, monkeypatch):
    """Its own encoder, SpeechBrain's HuBERT in float16, and SpeechBrain's wav2vec 2.0 in bfloat16."""
    [yaml], pythons = blocks("docs/use-the-lobes.md", "yaml"), blocks("docs/use-the-lobes.md", "python")
    (tmp_path / "hyperparams.yaml").write_text(yaml, encoding="utf-8")
    for number, name in enumerate("abc"):
        soundfile.write(tmp_path / f"{name}.wav", speak(plan("test", number, seed=1)), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    names, fitted = {}, []
    for example in pythons:
        untrained, before = example.partition("brain.fit")[0], names.get("brain")
        exec(untrained, names)
        if untrained != example:
            kept = {name: value.clone() for name, value in names["brain"].modules.state_dict().items()}
            exec(example.removeprefix(untrained), names)
            assert names["brain"] is not before and math.isfinite(names["brain"].avg_train_loss)
            fitted.append({name.split(".")[0]: name for name in changed(kept, names["brain"].modules)})
    assert [set(names) for names in fitted] == [{"bottleneck", "classifier"}] * 3
    assert (names["hubert"].model.dtype, names["wav2vec2"].model.dtype) == (torch.float16, torch.bfloat16)
    batch = PaddedBatch([names["data"][index] for index in range(3)])
    assert batch.emotion.data.shape == (3, 1)


def changed(before: dict, modules: torch.nn.Module) -> list[str]:
    return [name for name, value in modules.state_dict().items() if not torch.equal(value, before[name])]


@pytest.mark.slow
def test_speechbrain_s_layers_are_those_of_transformers_and_leave_the_input_out(tmp_path, monkeypatch):
    """Reference: transformers itself, on a waveform that is normalised by hand."""
    monkeypatch.chdir(tmp_path)
    names, folder = {"torch": torch}, resolve_source("packaged:hubert-tiny")
    exec(next(text for text in blocks("docs/use-the-lobes.md", "python") if "class SpeechBrainStates" in text), names)
    wavs = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    lobe = HuBERT(folder, save_path="pretrained", freeze=True, output_all_hiddens=True).float()
    found = names["SpeechBrainStates"](lobe)(wavs, torch.tensor([16000]))
    normalised = (wavs - wavs.mean()) / (wavs.var(unbiased=False) + 1e-5).sqrt() if lobe.normalize_wav else wavs
    with torch.no_grad():
        hiddens = AutoModel.from_pretrained(folder).eval().float()(normalised, output_hidden_states=True).hidden_states
    assert len(found.layers) == 5 == len(hiddens) - 1 and found.frames.tolist() == [hiddens[0].shape[1]]
    torch.testing.assert_close(found.layers, torch.stack(hiddens[1:]), atol=1e-4, rtol=1e-4)
    assert float(found.level) == pytest.approx(20 * math.log10(wavs.square().mean().sqrt()), abs=1e-3)


def test_the_lobes_example_has_the_size_of_the_packaged_encoder():
    text = blocks("docs/use-the-lobes.md", "yaml")[0]
    config = (ROOT / "speechbrain_xser" / "packaged" / "hubert-tiny" / "config.json").read_text(encoding="utf-8")
    width, layers = (int(re.search(rf"{key}: (\d+)", text)[1]) for key in ("width", "layer_count"))
    assert f'"hidden_size": {width},' in config and f'"num_hidden_layers": {layers},' in config


@pytest.mark.slow
def test_the_python_of_the_readme_explains_a_clip_that_is_there(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "clip.wav", speak(plan("test", 0, seed=1)), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("README.md", "python")
    assert 'source="small"' in example  # whose backbones are not here, unless somebody set them up
    printed = []
    exec(example.replace('source="small"', 'source="tiny"'), {"print": printed.append})
    (explanation,) = printed
    assert isinstance(explanation, Explanation)
    assert explanation.transcript and explanation.transcript in explanation.paragraph
    assert set(explanation.probabilities) == set(EMOTIONS)
    assert sum(explanation.probabilities.values()) == pytest.approx(1)


@pytest.mark.slow
def test_the_example_of_the_evidence_checks_claims_and_takes_the_label_apart(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "clip.wav", speak(plan("test", 0, seed=1)), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("docs/evidence.md", "python")
    printed = []
    exec(example, {"print": lambda *values: printed.append(values)})
    *claims, share, (average,), (shares,) = printed
    assert {"gender", "pitch", "volume", "speed"} <= {values[0] for values in claims}
    assert share[0] in EMOTIONS and len(share) == 3
    assert sum(average.values()) == pytest.approx(1) and len(shares) >= 1


def test_each_fault_names_tests_that_there_are():
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py")]
    found = {name for text in texts for name in re.findall(r"def (test_\w+)", text)}
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    faults = re.findall(r"^### (\d+)\. (.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert sorted(int(number) for number, _ in faults) == list(range(1, len(faults) + 1)) and len(faults) >= 95
    for number, text in faults:
        named = set(re.findall(r"`(test_\w+)`", text))
        assert named and named <= found, (number, named - found)


@pytest.mark.parametrize("document", ["docs/start.md", "docs/use-a-model.md"])
@pytest.mark.slow
def test_the_python_of_a_page_runs_from_its_first_block_to_its_last(document, tmp_path, monkeypatch):
    """What it fetches is here: example.org is a server on this machine, and the hub has the packaged model."""
    soundfile.write(tmp_path / "clip.wav", speak(plan("test", 0, seed=1)), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    snapshot = shutil.copytree(packaged_model(), tmp_path / "snapshots" / ("a" * 40))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: SimpleNamespace(sha=snapshot.name))
    printed = []
    names = {"print": lambda *values: printed.append(values)}
    with local_server(lambda request: send(request, Path("clip.wav").read_bytes())) as server:
        for example in blocks(document, "python"):
            exec(example.replace("https://example.org", server.address), names)
    assert names["explanation"].paragraph and printed[0]


def test_the_line_of_a_manifest_can_be_read(tmp_path):
    (line,) = blocks("docs/data.md", "json")
    (tmp_path / "manifest.jsonl").write_text(line, encoding="utf-8")
    (clip,) = read_manifest(tmp_path / "manifest.jsonl")
    assert (clip.emotion, clip.pitch) == ("angry", None)


def test_the_page_of_data_names_every_field_of_a_manifest():
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [field for field in Utterance._fields if f"`{field}`" not in text and f'"{field}"' not in text] == []


def test_every_picture_of_a_page_is_used_and_has_words_for_who_cannot_see_it():
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]]
    shown = re.findall(r"!\[([^\]]*)\]\((?:docs/|\.\./)?images/([^)]+)\)", "\n".join(texts))
    assert {name for _, name in shown} == {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert all(len(words) > 40 for words, _ in shown)
