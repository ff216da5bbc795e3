"""A third branch from a YAML, through everything: training, resuming, the folder, evidence and probes."""

import json
from pathlib import Path

import pytest
import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.page.evidence import evidence_sections
from speechbrain_xser.probing.model_probes import probe_model
from speechbrain_xser.stages import SER_STAGE, STAGES, Mode
from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_manifest
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.run import export, make_brain, make_loaders, make_model, merged

pytestmark = pytest.mark.training

YAML = Path(__file__).with_name("third_branch.yaml")
NAMES = ["content", "descriptor", "speaker"]
PARAGRAPH = "A man speaks, his anger evident."


@pytest.fixture(scope="module")
def column():
    """The new column of the stage table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "ser", SER_STAGE._replace(branches={**SER_STAGE.branches, "speaker": Mode.TRAIN}))
        yield


@pytest.fixture(scope="module")
def hparams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("third")
    tiny_encoder_folder(folder / "encoder")
    tiny_llm_folder(folder / "llm")
    manifests = {f"{split}_manifest": tiny_manifest(folder, 6, split=split) for split in ("train", "valid")}
    values = {"output_folder": folder / "run", "backbones": folder, **manifests}
    (folder / "run").mkdir()
    return merged(load_recipe(YAML, {key: str(value) for key, value in values.items()})[0])


def make(hparams, **options):
    model = make_model(hparams)
    loaders = make_loaders(hparams, model, hparams["grad_accumulation_factor"])
    run_opts = RunOptions.from_dictionary({"device": "cpu", "noprogressbar": True, **options})
    return make_brain(hparams, run_opts, model, len(loaders.train.dataset)), loaders


def state_of(brain, name):
    return {key: tensor.clone() for key, tensor in brain.model.branches[name].state_dict().items()}


@pytest.fixture(scope="module")
def trained(column, hparams):
    """A run that stopped in its second stage and went on; its brain, and the state of the branches at the stop."""
    brain, loaders = make(hparams, optimizer_step_limit="5")
    brain.fit(loaders.train, loaders.valid)
    stopped = {name: state_of(brain, name) for name in NAMES}
    again, loaders = make(hparams)
    again.fit(loaders.train, loaders.valid)
    return again, stopped


@pytest.fixture(scope="module")
def folder(trained, hparams):
    return export(hparams, trained[0], None)


@pytest.fixture(scope="module")
def recognizer(folder):
    return ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"}, speech_check=False)


def test_it_trains_in_the_stage_that_names_it_and_goes_on_behind_a_stop(trained):
    brain, stopped = trained
    changed = {
        name: any(not tensor.equal(stopped[name][key]) for key, tensor in state_of(brain, name).items())
        for name in NAMES
    }
    assert changed == {"content": False, "descriptor": True, "speaker": True}  # the rest of the second stage
    log = Path(brain.recovery.store.folder.parent, "train_log.txt").read_text()
    assert "valid speaker gain" in log and "valid speaker kl" in log


def test_its_folder_names_it_in_settings_and_hyperparameters(folder):
    settings = json.loads(Path(folder, "settings.json").read_text())
    assert list(settings["model"]["branches"]) == NAMES
    assert settings["model"]["branches"]["speaker"]["bottleneck"]["latent"] == 4
    assert settings["model"]["decoder"]["template"]["slots"] == NAMES
    assert "speaker: !name:speechbrain_xser.lobes.branch.build_branch" in Path(folder, "hyperparams.yaml").read_text()


def test_its_folder_gives_the_trained_model_back_and_can_be_exported(trained, folder, recognizer, tmp_path):
    for model in (recognizer.mods.model, read_model_folder(folder)[0]):
        assert all(model.state_dict()[name].equal(tensor) for name, tensor in trained[0].model.state_dict().items())
    wav = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    release = release_folder(folder, tmp_path / "released")
    other = ExplainableEmotionRecognizer.from_hparams(release.folder, run_opts={"device": "cpu"}, speech_check=False)
    [one], [same] = recognizer.explain_batch(wav), other.explain_batch(wav)
    assert same.paragraph == one.paragraph and same.probabilities == pytest.approx(one.probabilities, abs=1e-4)


def test_evidence_shares_a_label_among_three_and_shows_all_of_them(recognizer):
    wav = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(1))
    told = recognizer.explain_batch(wav[None])[0]._replace(paragraph=PARAGRAPH)
    evidence = gather_evidence(recognizer, wav, told)
    found = evidence.attribution
    assert list(found.shares) == NAMES and len(found.distributions) == 8
    odds = {name: torch.logit(torch.tensor(row["angry"]).double()) for name, row in found.distributions.items()}
    assert found.total == pytest.approx(float(odds["all"] - odds["none"]), abs=1e-5)
    plain = json.loads(json.dumps(evidence.as_dict()))
    assert list(plain["voice_or_words"]["shares"]) == list(plain["where"]["branches"]) == NAMES
    traces = evidence.where.branches
    assert traces["speaker"].token_seconds == pytest.approx(2 * traces["content"].token_seconds)  # ten frames, not five
    assert evidence_sections(evidence).count("speaker") > 3


@pytest.mark.slow
def test_probes_have_a_view_of_it(folder, hparams):
    probes = probe_model(folder, hparams["train_manifest"], hparams["valid_manifest"])
    assert all(list(probe.views) == ["weighted sum", *NAMES] for probe in probes)
