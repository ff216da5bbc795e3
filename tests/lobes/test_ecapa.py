"""SpeechBrain's ECAPA-TDNN, tiny and random, read by SpeechBrain itself and by us."""

import pickle
from pathlib import Path

import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.ecapa import EcapaEncoder
from speechbrain_xser.lobes.speaker_encoder import speaker_encoder

HYPERPARAMS = """
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 80
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: 80
    channels: [16, 16, 16, 16, 48]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 8
    lin_neurons: 12
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 12
    out_neurons: 3
mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
    norm_type: global
    std_norm: False
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
    classifier: !ref <classifier>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
label_encoder: null
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder as SpeechBrain's EncoderClassifier reads it."""
    place = tmp_path_factory.mktemp("ecapa")
    torch.manual_seed(0)
    network = ECAPA_TDNN(80, lin_neurons=12, channels=[16, 16, 16, 16, 48], attention_channels=8)
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)):
        norm.running_mean.normal_()  # so that a network in training mode would give something else
    torch.save(network.state_dict(), place / "embedding_model.ckpt")
    (place / "hyperparams.yaml").write_text(HYPERPARAMS)
    return place


@pytest.mark.parametrize("seconds", [0.4, 3.0])
def test_voices_are_those_of_speechbrain_s_own_classifier(folder, tmp_path, seconds):
    theirs = EncoderClassifier.from_hparams(source=str(folder), savedir=str(tmp_path))
    wav = torch.randn(round(16000 * seconds), generator=torch.Generator().manual_seed(1))
    wanted = torch.nn.functional.normalize(theirs.encode_batch(wav[None]).flatten(), dim=0)
    found = speaker_encoder(folder)
    assert found.name == "ECAPA-TDNN" and torch.allclose(found.embed(wav), wanted, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 400, 3000])
def test_a_clip_too_short_for_the_network_is_repeated(folder, samples):
    found = speaker_encoder(folder).embed(torch.rand(samples) - 0.5)
    assert found.shape == (12,) and found.isfinite().all()


def test_a_folder_s_code_is_not_run(folder, tmp_path):
    (tmp_path / "embedding_model.ckpt").write_bytes((folder / "embedding_model.ckpt").read_bytes())
    code = f"a: !apply:pathlib.Path.touch [!new:pathlib.Path ['{tmp_path / 'run'}']]"
    (tmp_path / "hyperparams.yaml").write_text(code)
    assert speaker_encoder(tmp_path).embed(torch.randn(8000)).shape == (12,) and not (tmp_path / "run").exists()


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def spoilt(kind: str, content: bytes, place: Path) -> bytes:
    """Files that are no ECAPA-TDNN."""
    if kind == "half":
        return content[: len(content) // 2]
    if kind == "evil":
        return pickle.dumps(Evil(place / "run"))
    target = place / "other.ckpt"
    others = {"another network": torch.nn.Linear(2, 2).state_dict(), "a list": [1, 2], "a tensor": torch.zeros(3)}
    torch.save(others[kind], target)
    return target.read_bytes()


@pytest.mark.parametrize("kind", ["half", "evil", "another network", "a list", "a tensor"])
def test_another_file_is_one_line_and_none_of_it_is_run(folder, tmp_path, kind):
    path = tmp_path / "embedding_model.ckpt"
    path.write_bytes(spoilt(kind, (folder / "embedding_model.ckpt").read_bytes(), tmp_path))
    with pytest.raises(BackboneError, match="embedding_model.ckpt: is not the ECAPA-TDNN of SpeechBrain") as caught:
        EcapaEncoder.from_file(path)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
