"""wav2vec2-BERT: its filterbank against the extractor of transformers, and its kinds of positions."""

from pathlib import Path

import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.lobes.kaldi_features import KaldiFilterbank
from speechbrain_xser.lobes.wav2vec2_bert import Wav2Vec2BertNetwork

RECORDINGS = sorted((Path(__file__).parents[3] / "shared/data/cremad/AudioWAV").glob("*.opus"))[:1]


def expected(wav):
    """Features of the extractor, [F, 80], frames in the order of time."""
    inputs = SeamlessM4TFeatureExtractor()(wav.numpy(), sampling_rate=16000, return_tensors="pt")
    return inputs.input_features.reshape(-1, 80)


def found(wavs, samples):
    bank = KaldiFilterbank(SeamlessM4TFeatureExtractor())
    return bank(wavs, bank.frame_counts(samples))


@pytest.mark.parametrize("samples", [560, 720, 16000])  # 2, 3 and 98 frames
def test_features_of_noise_are_the_extractors(samples):
    wav = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples)) + 0.01
    [ours] = found(wav[None], torch.tensor([samples]))
    torch.testing.assert_close(ours, expected(wav)[: len(ours)], atol=1e-4, rtol=0)


@pytest.mark.skipif(not RECORDINGS, reason="no recordings beside the checkout")
def test_features_of_a_recording_are_the_extractors():
    wav = load_audio(RECORDINGS[0])
    [ours] = found(wav[None], torch.tensor([len(wav)]))
    torch.testing.assert_close(ours, expected(wav)[: len(ours)], atol=1e-4, rtol=0)


def test_each_clip_is_standardised_over_its_own_frames():
    wavs = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    together = found(wavs, torch.tensor([16000, 5000]))
    [alone] = found(wavs[1:, :5000], torch.tensor([5000]))
    torch.testing.assert_close(together[1, : len(alone)], alone, atol=1e-5, rtol=0)
    assert together[1, len(alone) :].abs().sum() == 0


@pytest.mark.parametrize("positions", ["relative_key", "relative", "rotary", None])
def test_every_kind_of_positions_gives_the_layers_of_transformers(positions):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    torch.manual_seed(0)
    model = Wav2Vec2BertModel(Wav2Vec2BertConfig(**sizes, position_embeddings_type=positions)).eval()
    network = Wav2Vec2BertNetwork(model, SeamlessM4TFeatureExtractor())
    wavs, samples = torch.randn(2, 16000), torch.tensor([16000, 9120])
    inputs = SeamlessM4TFeatureExtractor()(wavs[1, :9120].numpy(), sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        layers = network(wavs, samples, network.frame_counts(samples))
        hidden = model(**inputs, output_hidden_states=True).hidden_states
    assert len(hidden) == 1 + len(layers)
    torch.testing.assert_close(layers[:, 1, :27], torch.stack(hidden[1:])[:, 0, :27], atol=1e-4, rtol=0)
