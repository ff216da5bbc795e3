"""The speaker encoder gives what the resemblyzer package gives: its version 0.1.4 with librosa 0.10.2 and torch 2.15.

The package was called as ``embed_utterance(normalize_volume(wav, -30, increase_only=True))`` on the sounds below.
"""

import numpy as np
import pytest
import torch

from speechbrain_xser.lobes.voice_encoder import VoiceEncoder, VoiceNetwork, window_starts
from tests.annotator.real_clips import needs_real_clips, read, rows

FORMULA = {  # seconds and level: its first eight values, the place of the largest, and the largest
    (0.5, 0.3): ([0.0108, 0.0, 0.16995, 0.0, 0.08445, 0.0, 0.0, 0.01334], 155, 0.17341),
    (3.3, 0.003): ([0.0, 0.14261, 0.01178, 0.12167, 0.03216, 0.0, 0.01357, 0.0], 38, 0.17393),
    (3.0, 0.3): ([0.0, 0.06836, 0.12763, 0.03221, 0.1089, 0.0, 0.00014, 0.00316], 83, 0.16966),
}
GENUINE = {
    (0.5, 0.3): ([0.23, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 62, 0.26948),
    (3.3, 0.003): ([0.0, 0.10146, 0.0, 0.0, 0.0, 0.01129, 0.0, 0.00801], 246, 0.2875),
    (3.0, 0.3): ([0.0, 0.06618, 0.00267, 0.0, 0.0, 0.01911, 0.0, 0.01257], 246, 0.24932),
}


def sound(seconds: float, level: float) -> torch.Tensor:
    """A buzz whose pitch and level waver."""
    time = np.arange(round(16000 * seconds)) / 16000
    voice = sum(np.sin(2 * np.pi * 140 * n * time * (1 + 0.02 * np.sin(5 * time))) / n for n in range(1, 20))
    return torch.from_numpy((level * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)) / 3).astype("float32"))


@pytest.fixture(scope="module")
def formula() -> VoiceEncoder:
    """Weights that are the same everywhere, so that nothing has to be downloaded."""
    network, made = VoiceNetwork(), {}
    for place, (name, values) in enumerate(sorted(network.state_dict().items())):
        steps = torch.arange(values.numel(), dtype=torch.float64)
        made[name] = (0.5 * torch.sin(steps * (0.7 + 0.1 * place) + place)).float().reshape(values.shape)
    network.load_state_dict(made)
    return VoiceEncoder(network)


def agrees(voice: torch.Tensor, first: list[float], place: int, largest: float) -> bool:
    return (
        voice[:8].tolist() == pytest.approx(first, abs=2e-5)
        and int(voice.argmax()) == place
        and float(voice.max()) == pytest.approx(largest, abs=2e-5)
    )


@pytest.mark.parametrize("given", FORMULA)
def test_voices_are_the_resemblyzer_package_s(formula, given):
    assert agrees(formula.embed(sound(*given)), *FORMULA[given])


@pytest.mark.parametrize("given", GENUINE)
def test_voices_by_the_genuine_weights_are_the_resemblyzer_package_s(genuine_voices, given):
    assert agrees(genuine_voices.embed(sound(*given)), *GENUINE[given])


def test_windows_are_a_second_and_six_tenths_and_the_last_is_three_quarters_full():
    """Of 160 frames each, 77 apart; at 77 a clip of 1.97 s (77 + 120 frames) fills three quarters of the second."""
    assert window_starts(1) == window_starts(16000) == window_starts(160 * 160) == [0]
    assert window_starts(160 * (77 + 119)) == [0] and window_starts(160 * (77 + 120)) == [0, 77]
    assert window_starts(160 * (77 + 160)) == [0, 77] and window_starts(160 * 314) == [0, 77, 154]


@pytest.mark.parametrize("samples", [1, 160, 4000])
def test_a_short_or_silent_clip_has_a_voice_without_nan(formula, samples):
    assert formula.embed(torch.zeros(samples)).isfinite().all() and formula.embed(torch.ones(samples)).isfinite().all()


@needs_real_clips
def test_clips_of_one_reader_are_nearer_than_those_of_two(genuine_voices):
    """Three clips each of two women of LibriSpeech."""
    readers = ("librispeech-1688", "librispeech-2609")
    clips = [[read("librispeech", row) for row in rows("librispeech", speaker=one)[:3]] for one in readers]
    voices = [torch.stack([genuine_voices.embed(clip.wav) for clip in three]) for three in clips]
    own, other = voices[0] @ voices[0].T, voices[0] @ voices[1].T
    assert own.min() > 0.75 > other.max()
