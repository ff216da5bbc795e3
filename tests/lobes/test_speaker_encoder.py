"""Which speaker encoder is taken, and what is said where there is none."""

import pytest
import torch
from safetensors.torch import save_file
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.speaker_encoder import speaker_encoder
from speechbrain_xser.lobes.voice_encoder import VoiceNetwork


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """A user who has downloaded nothing."""
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "xser"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def set_up(caches):
    (caches / "xser" / "resemblyzer").mkdir(parents=True)
    save_file(VoiceNetwork().state_dict(), caches / "xser" / "resemblyzer" / "model.safetensors")


def downloaded_by_speechbrain(caches):
    """ECAPA-TDNN as hf_hub_download leaves it."""
    repository = caches / "hub" / "models--speechbrain--spkrec-ecapa-voxceleb"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    network = ECAPA_TDNN(80, lin_neurons=6, channels=[8] * 5, attention_channels=4, res2net_scale=2, se_channels=4)
    torch.save(network.state_dict(), snapshot / "embedding_model.ckpt")


def test_without_any_the_command_is_named_that_brings_one():
    with pytest.raises(BackboneError, match="no speaker encoder is here: say `xser setup speakers` once"):
        speaker_encoder()


def test_what_was_set_up_is_taken(caches):
    set_up(caches)
    found = speaker_encoder()
    assert found.name == "Resemblyzer" and found.embed(torch.randn(8000)).shape == (256,)


def test_what_speechbrain_has_downloaded_is_preferred(caches):
    set_up(caches)
    downloaded_by_speechbrain(caches)
    assert speaker_encoder().name == "ECAPA-TDNN"


def test_a_folder_without_the_weights_is_named(caches):
    with pytest.raises(BackboneError, match=f"{caches}: holds no embedding_model.ckpt; give the folder"):
        speaker_encoder(caches)


@pytest.mark.parametrize("spoil", ["half", "other", "gone"])
def test_damaged_weights_are_one_line_with_the_remedy(caches, spoil):
    set_up(caches)
    path = caches / "xser" / "resemblyzer" / "model.safetensors"
    if spoil == "half":
        path.write_bytes(path.read_bytes()[:1000])
    elif spoil == "other":
        save_file({"linear.weight": torch.zeros(2, 2)}, path)
    else:
        path.unlink()
    told = "is not the speaker encoder .*; remove .*, and say `xser setup speakers`"
    with pytest.raises(BackboneError, match=told) as caught:
        speaker_encoder()
    assert "\n" not in str(caught.value)
