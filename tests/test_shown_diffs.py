"""The diffs that contributing.md shows, applied to a copy of the package, of its recipe and of their values."""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from speechbrain_xser.testing import tiny_encoder_folder, tiny_manifest
from tests.shown_diffs import DIFFS, ROOT, apply, diff_with, hunks

PARTS = ("speechbrain_xser", "hparams", "recipes/CREMA-D", "recipes/train.py")
RECIPE = "recipes/CREMA-D/hparams/train.yaml"
def changed(folder: Path, diff: str) -> Path:
    """A copy with a diff applied."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, folder / part)
    apply(diff, folder)
    return folder


@pytest.fixture
def run(python) -> Callable[..., str]:
    """What an interpreter prints that has a copy's package."""

    def printed(folder: Path, *words: str) -> str:
        told = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run([python, *map(str, words)], cwd=folder, env=told, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return printed


def json_of(printed: str) -> dict:
    return json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize("diff", DIFFS, ids=[hunks(diff)[0][0] for diff in DIFFS])
def test_an_extension_changes_at_most_four_files(diff):
    assert 1 <= len({path for path, _, _ in hunks(diff)}) <= 4


BRANCHES = """
import json, sys
from speechbrain_xser.stages import STAGES
from speechbrain_xser.training.recipe_yaml import load_recipe
model = load_recipe(sys.argv[1], {"data_folder": "nowhere", "prepare": "null"})[0]["model"].keywords
slots = model["decoder"].keywords["template"].slots
print(json.dumps([list(model["branches"]), list(slots), {name: row.mode("speaker") for name, row in STAGES.items()}]))
"""


@pytest.mark.slow
def test_the_third_branch_is_in_the_model_the_prompt_and_the_stage_table(run, tmp_path):
    folder = changed(tmp_path, diff_with("slots: [content, descriptor, speaker]"))
    branches, slots, modes = json_of(run(folder, "-c", BRANCHES, folder / RECIPE))
    assert branches == slots == ["content", "descriptor", "speaker"]
    assert modes["ser"] == "train" and modes["asr"] == "off"


@pytest.fixture(scope="module")
def laplace(tmp_path_factory) -> Path:
    return changed(tmp_path_factory.mktemp("laplace"), diff_with("LaplacePrior"))


DIVERGENCE = """
import doctest, json, torch
from torch.distributions import Laplace, Normal, kl_divergence
from speechbrain_xser.lobes import prior as room
from speechbrain_xser.lobes.prior import LaplacePrior
torch.manual_seed(0)
posterior = Normal(2 * torch.randn(5, 8), 0.05 + 2 * torch.rand(5, 8))
prior = LaplacePrior(latent=8, scale=0.5)
with torch.no_grad():
    prior.log_scale += 0.5 * torch.randn(8)
    found = prior(posterior.mean, posterior.stddev)
    other = Laplace(0.0, prior.log_scale.exp())
    z = posterior.sample((200_000,))
    sampled = (posterior.log_prob(z) - other.log_prob(z)).sum(-1)
print(json.dumps({
    "examples": doctest.testmod(room)[:2],
    "found": found.tolist(),
    "library": kl_divergence(posterior, other).sum(-1).tolist(),
    "sampled": sampled.mean(0).tolist(),
    "error": (sampled.std(0) / 200_000**0.5).tolist(),
}))
"""


@pytest.mark.slow
def test_the_laplace_prior_s_divergence_is_that_of_torch_distributions_and_of_samples(run, laplace):
    told = json_of(run(laplace, "-c", DIVERGENCE))
    assert told["examples"] == [0, 1]  # failed, run
    assert told["found"] == pytest.approx(told["library"], rel=1e-5)
    for found, sampled, error in zip(told["found"], told["sampled"], told["error"], strict=True):
        assert found == pytest.approx(sampled, abs=5 * error)


def train(run: Callable[..., str], folder: Path, tmp_path: Path, **more: object) -> str:
    """Trains the copy's recipe for a moment; its log."""
    manifests = {f"{split}_manifest": tiny_manifest(tmp_path, 4, split=split) for split in ("train", "valid")}
    small = {"prepare": "null", "data_folder": "null", "test_manifest": "null", "emotions": "null"}
    small |= {"epochs_per_stage": 1, "batch_size": 2, "num_workers": 0, "search_limit": 1, "max_new_tokens": 4}
    values = {**manifests, **small, "output_folder": tmp_path / "run"}
    words = [f"--{key}={value}" for key, value in {**values, **more}.items()]
    run(folder, "recipes/train.py", RECIPE, "--device=cpu", "--noprogressbar", *words)
    return (tmp_path / "run" / "train_log.txt").read_text()


LOADED = """
import json, sys
from speechbrain_xser import ExplainableEmotionRecognizer
model = ExplainableEmotionRecognizer.from_hparams(sys.argv[1], pretrained=False).mods.model
priors = {name: branch.bottleneck.prior for name, branch in model.branches.items()}
print(json.dumps([type(priors["content"]).__name__, priors["descriptor"].log_scale.tolist()]))
"""


@pytest.mark.training
def test_a_recipe_trains_with_the_laplace_prior_and_its_folder_has_it(run, laplace, tmp_path):
    assert "valid descriptor kl" in train(run, laplace, tmp_path)

    settings = json.loads((tmp_path / "run" / "model" / "settings.json").read_text())
    bottlenecks = {name: branch["bottleneck"] for name, branch in settings["model"]["branches"].items()}
    assert bottlenecks["content"]["prior"] is None
    assert bottlenecks["descriptor"]["prior"] == {"type": "LaplacePrior", "scale": 0.5}
    content, log_scale = json_of(run(laplace, "-c", LOADED, tmp_path / "run" / "model"))
    assert content == "function" and len(log_scale) == 64
    assert all(value != pytest.approx(math.log(0.5), abs=1e-7) for value in log_scale)  # learned, and read back


ENCODER = """
import json, sys
from speechbrain_xser.training.recipe_yaml import load_recipe
model = load_recipe(sys.argv[1], {"data_folder": "nowhere", "prepare": "null"})[0]["model"].keywords
print(json.dumps([model["encoder"].keywords["source"]]))
"""


@pytest.mark.training
def test_a_recipe_hears_with_whisper(run, tmp_path):
    folder = changed(tmp_path / "copy", diff_with("whisper-tiny.en"))
    assert json_of(run(folder, "-c", ENCODER, folder / RECIPE)) == ["setup:whisper-tiny.en"]
    train(run, folder, tmp_path, encoder_source=tiny_encoder_folder(tmp_path / "whisper", "whisper"))
    settings = json.loads((tmp_path / "run" / "model" / "settings.json").read_text())
    assert settings["model"]["encoder"]["source"] == str(tmp_path / "whisper")


@pytest.mark.training
def test_an_objective_enters_the_loss_and_the_log(run, tmp_path):
    folder = changed(tmp_path / "copy", diff_with("token_size"))
    log = train(run, folder, tmp_path)
    assert "train token_size" in log and "valid token_size" in log
