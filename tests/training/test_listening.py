"""The decoder hears what the branches tell: right audio against another utterance's."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.stages import ASR_STAGE
from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_manifest, tiny_model
from speechbrain_xser.training import collapse
from speechbrain_xser.training.brain import XserBrain
from speechbrain_xser.training.criterion import Criterion
from speechbrain_xser.training.loaders import train_loader
from speechbrain_xser.training.optimizers import LearningRate
from speechbrain_xser.training.schedule import StageSchedule
from speechbrain_xser.training.scoring import score_answers
from speechbrain_xser.training.training_settings import TrainingSettings

pytestmark = pytest.mark.training

SAID = {"low": "dogs", "normal": "it is eleven o'clock", "high": "kids are talking by the door"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that learned in 60 steps which words go with a low, a middle and a high tone, and its one batch."""
    folder = tmp_path_factory.mktemp("listening")
    tiny_encoder_folder(folder / "encoder")
    sharpen(tiny_llm_folder(folder / "llm"))
    tones = [u._replace(transcript=SAID[u.pitch]) for u in read_manifest(tiny_manifest(folder, 6))]
    model = tiny_model(folder)
    loader = train_loader(dataset(tones), model, TrainingSettings(batch_size=6, num_workers=0))
    schedule = StageSchedule("two_stage", epochs_per_stage=60, stages=("asr",))
    run_opts = {"device": "cpu", "noprogressbar": True, "max_grad_norm": 1.0}
    rates = {"asr": LearningRate(0.01, "cosine", warmup_fraction=0.1)}
    brain = XserBrain(model, schedule, Criterion(1e-4, 0.5), rates, score_answers, run_opts=run_opts)
    brain.fit(loader)
    return brain.model.eval(), next(iter(loader))


def sharpen(folder):
    """A random LLM says every token with the same probability; larger weights let it be sure of some."""
    path = f"{folder}/model.safetensors"
    scales = {"lm_head": 15.0, "norm": 1.0}
    scaled = {
        name: tensor * next((scale for part, scale in scales.items() if part in name), 3.0)
        for name, tensor in load_file(path).items()
    }
    save_file(scaled, path, metadata={"format": "pt"})


def test_the_right_audio_gains_over_another_utterance_s_and_the_branch_is_not_called_collapsed(trained, caplog):
    model, batch = trained

    (sign,) = collapse.listen(model, batch, ASR_STAGE, [u.transcript for u in batch.utterances])
    collapse.warn([sign])

    assert sign.branch == "content" and sign.active_units > 0
    assert sign.gain > 0.2  # nats a token
    assert caplog.text == ""


def test_it_answers_every_clip_right_from_its_own_audio_and_not_from_a_neighbour_s(trained):
    model, batch = trained
    told = [u.transcript for u in batch.utterances]
    neighbour = torch.arange(len(told)).roll(1)

    own = model.generate(batch.wavs, batch.samples, ASR_STAGE, max_new_tokens=12)
    other = model.generate(batch.wavs[neighbour], batch.samples[neighbour], ASR_STAGE, max_new_tokens=12)

    assert own == told
    assert other == [told[index] for index in neighbour] != told
