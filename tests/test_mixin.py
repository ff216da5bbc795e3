"""Our lobes inside an ordinary SpeechBrain recipe, and a SpeechBrain encoder inside ours."""

import pytest
import speechbrain
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.transformer.Transformer import TransformerEncoder
from torch import nn

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.lobes import Adapter, Branch, LayerStates, SpeechEncoder, VariationalBottleneck
from speechbrain_xser.lobes.branch import build_branch
from speechbrain_xser.lobes.states import level_db
from speechbrain_xser.model import ExplainableSER
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.stages import BRANCHES, SER_STAGE
from speechbrain_xser.testing import tiny_encoder_folder, tiny_lobes, tiny_model
from speechbrain_xser.utils.lengths import counts_from_relative, relative_from_counts, valid_mask

RECIPE = """
encoder_folder: !PLACEHOLDER

encoder: !new:speechbrain_xser.lobes.FrozenEncoder
    source: !ref <encoder_folder>

descriptor: !new:speechbrain_xser.lobes.VariationalBottleneck
    layer_count: 3
    width: 32
    latent: 8

pooling: !new:speechbrain.lobes.models.ECAPA_TDNN.AttentiveStatisticsPooling
    channels: 8
    attention_channels: 8

norm: !new:speechbrain.lobes.models.ECAPA_TDNN.BatchNorm1d
    input_size: 16

classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 16
    out_neurons: 2

modules:
    encoder: !ref <encoder>
    descriptor: !ref <descriptor>
    pooling: !ref <pooling>
    norm: !ref <norm>
    classifier: !ref <classifier>

scale: 10
beta: 0.0001
opt_class: !name:torch.optim.AdamW
    lr: 0.01
"""


class PitchBrain(speechbrain.Brain):
    """An ECAPA-style head on the descriptor latents: attentive pooling, batch norm, cosine classifier."""

    def compute_forward(self, batch, stage):
        wavs, lengths = batch.wav
        states = self.modules.encoder(wavs, counts_from_relative(lengths, wavs.shape[1]))
        latent = self.modules.descriptor(states)
        lengths = latent.frames / latent.z.shape[1]
        pooled = self.modules.norm(self.modules.pooling(latent.z.transpose(1, 2), lengths))
        return self.modules.classifier(pooled.transpose(1, 2)).squeeze(1), latent

    def compute_objectives(self, predictions, batch, stage):
        cosines, latent = predictions
        divergence = latent.kl.sum() / latent.frames.sum()
        cross_entropy = nn.functional.cross_entropy(self.hparams.scale * cosines, torch.as_tensor(batch.label))
        return cross_entropy + self.hparams.beta * divergence


@pytest.fixture(scope="module")
def dataset():
    """Eight tones of half a second and less, low or high."""
    generator = torch.Generator().manual_seed(0)
    clips = {}
    for index in range(8):
        label = index % 2
        time = torch.arange(8000 - 500 * index) / 16000
        wav = torch.sin(2 * torch.pi * (150, 600)[label] * time) + 0.1 * torch.randn(len(time), generator=generator)
        clips[str(index)] = {"wav": wav, "label": label}
    return DynamicItemDataset(clips, output_keys=["id", "wav", "label"])


@pytest.fixture
def brain(tmp_path):
    torch.manual_seed(0)
    hparams = load_hyperpyyaml(RECIPE, overrides={"encoder_folder": tiny_encoder_folder(tmp_path)})
    return PitchBrain(
        hparams["modules"], hparams["opt_class"], hparams, run_opts={"device": "cpu", "noprogressbar": True}
    )


@pytest.mark.training
def test_a_classifier_on_the_descriptor_latents_learns_in_a_plain_recipe(brain, dataset):
    batch = PaddedBatch(list(dataset))
    first = float(brain.evaluate_batch(batch, speechbrain.Stage.VALID))
    brain.fit(range(15), dataset, train_loader_kwargs={"batch_size": 8})
    assert float(brain.evaluate_batch(batch, speechbrain.Stage.VALID)) < 0.5 * first


def test_only_our_bottleneck_and_the_recipes_head_are_in_its_optimiser_and_checkpoint(brain):
    names = {name.split(".")[0] for name in brain.modules.state_dict()}
    assert names == {"descriptor", "pooling", "norm", "classifier"}
    trained = {name.split(".")[0] for name, parameter in brain.modules.named_parameters() if parameter.requires_grad}
    assert trained == names


@pytest.mark.training
def test_fitting_leaves_the_encoder_as_it_was(brain, dataset):
    before = [parameter.clone() for parameter in brain.modules.encoder.parameters()]
    brain.fit(range(1), dataset, train_loader_kwargs={"batch_size": 4})
    assert not brain.modules.encoder.training
    assert all(map(torch.equal, before, brain.modules.encoder.parameters()))


class FbankTransformer(nn.Module):
    """SpeechBrain's filterbank and transformer as a ``SpeechEncoder`` that learns: its layer count is one."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layer_count, self.width, self.sample_rate, self.frame_rate = 1, width, 16000, 50.0
        self.fbank = Fbank(sample_rate=16000, n_mels=20, hop_length=20)
        self.projection = nn.Linear(20, width)
        self.transformer = TransformerEncoder(num_layers=1, nhead=2, d_ffn=32, d_model=width)

    def frame_counts(self, samples: torch.Tensor) -> torch.Tensor:
        return samples // 320 + 1

    def forward(self, wavs: torch.Tensor, samples: torch.Tensor) -> LayerStates:
        wavs, frames = wavs * valid_mask(samples, wavs.shape[1]), self.frame_counts(samples)
        embedded = self.projection(self.fbank(wavs))
        hidden, _ = self.transformer(embedded, src_key_padding_mask=~valid_mask(frames, embedded.shape[1]))
        return LayerStates(hidden[None], frames, level_db(wavs, samples))


def _branch(encoder):
    bottleneck = VariationalBottleneck(encoder.layer_count, encoder.width, latent=4)
    return Branch(bottleneck, Adapter(latent=4, width=6, stack=5, hidden=8))


def test_a_speechbrain_encoder_takes_the_place_of_ours_in_front_of_a_branch():
    encoder = FbankTransformer()
    assert isinstance(encoder, SpeechEncoder)
    states = encoder(torch.randn(2, 16000), torch.tensor([16000, 4000]))
    tokens = _branch(encoder)(states).tokens
    assert tokens.counts.tolist() == [10, 2]  # 51 and 13 frames, five a token
    assert tokens.embeddings.shape == (2, 10, 6)


def test_a_speechbrain_encoder_learns_through_the_branch():
    encoder = FbankTransformer()
    _branch(encoder)(encoder(torch.randn(2, 16000), torch.tensor([16000, 4000]))).tokens.embeddings.sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.transformer.parameters())
    assert encoder.projection.weight.grad.abs().sum() > 0


def test_a_speechbrain_encoder_takes_the_place_of_ours_in_the_whole_model(tmp_path):
    model = tiny_model(tmp_path)
    encoder, decoder = FbankTransformer(), model.decoder
    branches = {name: build_branch(encoder, decoder.width) for name in BRANCHES}
    whole = ExplainableSER(encoder, branches, decoder)
    wavs, samples = torch.randn(2, 16000), torch.tensor([16000, 4000])
    whole(wavs, samples, SER_STAGE, ["so it is", "no"]).answer.logits.sum().backward()
    assert whole.branches.descriptor.bottleneck.head.weight.grad.abs().sum() > 0
    together = whole.generate(wavs, samples, max_new_tokens=5)
    assert together == [
        whole.generate(wavs[i : i + 1, :n], samples[i : i + 1], max_new_tokens=5)[0]
        for i, n in enumerate(samples.tolist())
    ]


def test_a_folder_cannot_name_an_encoder_that_is_no_backbone(tmp_path):
    model = tiny_model(tmp_path)
    model.encoder = FbankTransformer()
    with pytest.raises(CheckpointError, match="FbankTransformer, which FrozenEncoder is not"):
        write_model_folder(tmp_path / "trained", model, {"model": tiny_lobes(tmp_path)})


def test_relative_lengths_of_a_speechbrain_batch_come_back_as_exact_counts(dataset):
    wavs, lengths = PaddedBatch(list(dataset)).wav
    counts = counts_from_relative(lengths, wavs.shape[1])
    assert counts.tolist() == [8000 - 500 * index for index in range(8)]
    assert torch.allclose(relative_from_counts(counts).float(), lengths)
