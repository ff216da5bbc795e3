"""The examples of the documents, run."""

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.testing import tiny_encoder_folder
from speechbrain_xser.utils.lengths import counts_from_relative, valid_mask

ROOT = Path(__file__).parents[1]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict:
    """The YAML of use-the-lobes.md over a random encoder of width 32 with 3 layers."""
    folder = tiny_encoder_folder(tmp_path_factory.mktemp("encoder"))
    text = blocks("docs/use-the-lobes.md", "yaml")[0].replace("packaged:hubert-tiny", folder)
    text, count = re.subn(r"(layer_count|width): \d+", lambda found: f"{found[1]}: {SIZES[found[1]]}", text)
    assert count == 2
    return load_hyperpyyaml(text)


SIZES = {"layer_count": 3, "width": 32}


def masked_mean(z: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    return (z * valid_mask(frames, z.shape[1])[..., None]).sum(1) / frames[:, None]


def test_the_lobes_example_trains_its_bottleneck_and_classifier(loaded):
    names = {"torch": torch, "counts_from_relative": counts_from_relative, "masked_mean": masked_mean}
    exec(textwrap.dedent(blocks("docs/use-the-lobes.md", "python")[0]), names)
    brain = SimpleNamespace(
        modules=SimpleNamespace(**loaded["modules"]),
        hparams=SimpleNamespace(beta=0.1),
    )
    batch = SimpleNamespace(
        sig=(torch.randn(2, 8000), torch.tensor([1.0, 0.5])),
        emotion=SimpleNamespace(data=torch.tensor([0, 5])),
    )
    loss = names["compute_objectives"](brain, names["compute_forward"](brain, batch, None), batch, None)
    loss.backward()
    trained = [*loaded["bottleneck"].parameters(), *loaded["classifier"].parameters()]
    assert all(parameter.grad is not None for parameter in trained)
    assert all(parameter.grad is None for parameter in loaded["encoder"].parameters())


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
    soundfile.write(tmp_path / "clip.wav", speak(plan("test", 0, seed=1)), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    printed = []
    names = {"print": lambda *values: printed.append(values)}
    for example in blocks(document, "python"):
        exec(example, names)
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
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]]
    shown = re.findall(r"!\[([^\]]*)\]\((?:docs/)?images/([^)]+)\)", "\n".join(texts))
    assert {name for _, name in shown} == {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert all(len(words) > 40 for words, _ in shown)
