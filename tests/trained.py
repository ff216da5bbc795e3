"""One tiny trained folder for all tests of inference; its answers are random, but not empty."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.testing import tiny_lobes, tiny_manifest, tiny_model


class Trained(NamedTuple):
    """A model in memory, its folder, and what it was built from."""

    model: torch.nn.Module
    folder: Path
    config: dict
    clips: list[Path]

    def source(self, backbone: str) -> str:
        """The folder of "encoder" or "llm"."""
        return self.config["model"]["decoder" if backbone == "llm" else backbone].keywords["source"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    """A model with LoRA that is not zero, so that losing it would be seen."""
    place = tmp_path_factory.mktemp("trained")
    model = tiny_model(place / "backbones", max_new_tokens=12).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "lora_B" in name or ".adapter." in name:
                tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    lobes = tiny_lobes(place / "backbones", max_new_tokens=12)
    config = {"model": lobes, "max_seconds": 5.0, "training": {"seed": 7, "UA": 0.5}}
    folder = write_model_folder(place / "folder", model, config)
    tiny_manifest(place, clips=4)
    return Trained(model, Path(folder), config, sorted((place / "train").glob("*.wav")))


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    """A copy of the trained folder that a test may damage."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copy"))


@pytest.fixture(scope="session")
def recognizer(trained) -> ExplainableEmotionRecognizer:
    """It is asked of everything: the clips are tones."""
    return ExplainableEmotionRecognizer.from_hparams(trained.folder, run_opts={"device": "cpu"}, speech_check=False)
