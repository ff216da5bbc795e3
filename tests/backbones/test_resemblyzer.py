"""Resemblyzer's checkpoint: its network is kept, with its licence, and nothing in it is run."""

import hashlib
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from speechbrain_xser.backbones import catalogue
from speechbrain_xser.backbones.catalogue import RESEMBLYZER, Wheel
from speechbrain_xser.backbones.installation import is_whole, set_up
from speechbrain_xser.backbones.resemblyzer import convert_resemblyzer
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.speaker_encoder import speaker_encoder
from speechbrain_xser.lobes.voice_encoder import VoiceNetwork
from speechbrain_xser.utils.sources import fingerprint


def write_checkpoint(path: Path, network: VoiceNetwork) -> None:
    """As the package ships it: with the training's loss and optimiser."""
    state = {**network.state_dict(), "similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"step": 1, "model_state": state, "optimizer_state": {"moments": torch.zeros(1000)}}, path)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder with a wheel like Resemblyzer's, of random weights, and what the catalogue would say of it."""
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "cache"))
    network, folder = VoiceNetwork(), tmp_path / "wheels"
    write_checkpoint(tmp_path / "work" / "pretrained.pt", network)
    (tmp_path / "made").mkdir()
    convert_resemblyzer(tmp_path / "work", tmp_path / "made")
    folder.mkdir()
    path = folder / RESEMBLYZER.wheel.file
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "work" / "pretrained.pt", "resemblyzer/pretrained.pt")
        archive.writestr("resemblyzer/__init__.py", "raise SystemExit('run')")
        archive.writestr(RESEMBLYZER.licence_file, "Apache License")
    wheel = Wheel("Resemblyzer", "0.1.4", path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    backbone = RESEMBLYZER._replace(wheel=wheel, fingerprint=fingerprint(tmp_path / "made"))
    monkeypatch.setattr(catalogue, "SPEAKERS", (backbone,))
    return folder, backbone, network


def command(*words: str):
    return CliRunner().invoke(xser, ["setup", "speakers", *words])


def test_the_command_keeps_the_network_alone_and_its_licence(wheels, tmp_path):
    done = command("--from", str(wheels[0]))
    place = tmp_path / "cache" / "resemblyzer"
    assert done.exit_code == 0 and done.stdout.split() == [str(place)]
    assert {path.name for path in place.iterdir()} == {"model.safetensors", "LICENSE", "origin.json"}
    assert (place / "LICENSE").read_text() == "Apache License" and is_whole(place, wheels[1])
    kept, own = load_file(place / "model.safetensors"), wheels[2].state_dict()
    assert kept.keys() == own.keys() and all(torch.equal(kept[name], own[name]) for name in own)
    assert speaker_encoder().name == "Resemblyzer"


def test_a_second_run_does_nothing_and_a_damaged_folder_is_made_again(wheels, tmp_path):
    command("--from", str(wheels[0]))
    assert "is there" in command("--from", "/").stderr
    (tmp_path / "cache" / "resemblyzer" / "model.safetensors").write_bytes(b"")
    assert command("--from", str(wheels[0])).exit_code == 0 and speaker_encoder().name == "Resemblyzer"


def test_a_finished_folder_of_another_machine_is_taken(wheels, tmp_path, monkeypatch):
    set_up([wheels[1]], wheels[0], print)
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "other"))
    assert command("--from", str(tmp_path / "cache")).exit_code == 0
    assert is_whole(tmp_path / "other" / "resemblyzer", wheels[1])


def test_errors_name_this_command_and_not_that_of_the_small_model(wheels, tmp_path, monkeypatch):
    (wheels[0] / wheels[1].wheel.file).write_bytes(b"half")
    done = command("--from", str(wheels[0]))
    assert done.exit_code == 2 and "its SHA-256 is" in done.stderr
    monkeypatch.setattr(catalogue, "SPEAKERS", (wheels[1]._replace(fingerprint="0" * 64),))
    (tmp_path / "cache" / "resemblyzer").mkdir()
    done = command("--from", str(tmp_path / "cache"))
    assert "is not resemblyzer as `xser setup speakers` makes it" in done.stderr and "setup small" not in done.stderr


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["evil", "half", "list", "no network", "text"])
def test_another_checkpoint_is_one_line_and_nothing_of_it_is_run(tmp_path, kind):
    path = tmp_path / "pretrained.pt"
    write_checkpoint(path, VoiceNetwork())
    if kind == "evil":
        path.write_bytes(pickle.dumps({"model_state": Evil(tmp_path / "run")}))
    elif kind == "half":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "text":
        path.write_text("hello")
    else:
        torch.save([1] if kind == "list" else {"model_state": 3}, path)
    with pytest.raises(BackboneError, match="pretrained.pt: is not the checkpoint of a speaker encoder") as caught:
        convert_resemblyzer(tmp_path, tmp_path)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
