"""How much work a clip is, for the model at hand and not for the paper's."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.lobes.adapter import Adapter, FrameTokens
from speechbrain_xser.testing import tiny_manifest, tiny_model
from speechbrain_xser.training.loaders import train_loader
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.training.work import soft_tokens_a_second


def model(frames_a_second: int, content, descriptor, rate: int = 16000):
    """What is asked of a model: an encoder's frame formula and its adapters'."""
    hop = rate // frames_a_second
    encoder = SimpleNamespace(sample_rate=rate, frame_counts=lambda samples: (samples - 80) // hop)
    branches = {"content": SimpleNamespace(adapter=content), "descriptor": SimpleNamespace(adapter=descriptor)}
    return SimpleNamespace(encoder=encoder, branches=branches)


def stacking(stack: int) -> Adapter:
    return Adapter(latent=2, width=2, stack=stack, hidden=2)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (model(50, stacking(5), stacking(5)), 20.0),  # the paper's
        (model(50, stacking(2), stacking(2)), 50.0),  # another k
        (model(25, stacking(5), stacking(5)), 10.0),  # another encoder
        (model(100, stacking(5), stacking(4), rate=24000), 45.0),  # 100 / 5 + 100 / 4
        (model(50, FrameTokens(2), FrameTokens(2)), 100.0),  # no LLM: every frame
    ],
)
def test_soft_tokens_a_second_are_those_of_the_encoder_s_frames_and_each_branch_s_stack(found, expected):
    assert soft_tokens_a_second(found) == expected


def test_a_loader_shares_work_by_the_tokens_that_its_own_model_makes(tmp_path):
    manifest = tiny_manifest(tmp_path, clips=4)
    work = {}
    for stack in (5, 1):
        loader = train_loader(dataset(manifest), tiny_model(tmp_path, stack=stack), TrainingSettings(num_workers=0))
        work[stack] = torch.tensor(loader.batch_sampler.work)
    seconds = torch.tensor([clip.duration for clip in read_manifest(manifest)])
    torch.testing.assert_close((work[1] - work[5]).float(), 80 * seconds)  # 2 * 50 tokens a second instead of 2 * 10
