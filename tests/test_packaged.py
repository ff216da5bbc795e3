"""The packaged models: their size, what they have not heard, and that the tiny model listens."""

from pathlib import Path

import pytest
import torch

import speechbrain_xser
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import collate, dataset
from speechbrain_xser.data.synthetic import prepare
from speechbrain_xser.data.synthetic.voices import voices
from speechbrain_xser.metrics import score
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE, target_text
from speechbrain_xser.training.collapse import listen
from speechbrain_xser.utils.lengths import relative_from_counts

PACKAGED = Path(speechbrain_xser.packaged_model()).parent
CLIPS = 140


def megabytes(*names: str) -> float:
    return sum(f.stat().st_size for name in names for f in (PACKAGED / name).rglob("*") if f.is_file()) / 2**20


@pytest.fixture(scope="module")
def recognizer(packaged):
    return packaged


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    manifest = prepare(str(tmp_path_factory.mktemp("corpus")), 1, 1, CLIPS, seed=99, jobs=1)["test"]
    return manifest


@pytest.fixture(scope="module")
def batches(held_out):
    clips = dataset(held_out)
    return [collate([clips[i] for i in range(start, start + 10)]) for start in range(0, CLIPS, 10)]


def test_backbones_are_at_most_12_megabytes_and_with_the_tiny_model_at_most_16():
    assert megabytes("hubert-tiny", "llama-tiny") <= 12
    assert megabytes(*(folder.name for folder in PACKAGED.iterdir() if folder.name != "xser-small")) <= 16


@pytest.fixture(scope="module")
def scores(recognizer, batches):
    references, answers = [], []
    for batch in batches:
        explained = recognizer.explain_batch(batch.wavs, relative_from_counts(batch.samples))
        references += [utterance.record() for utterance in batch.utterances]
        answers += [explanation.paragraph for explanation in explained]
    return score(references, answers)


@pytest.mark.slow
def test_held_out_voices_and_sentences_reach_what_is_wanted(scores):
    # on a corpus of another seed than the README's
    assert scores.parsed == 100
    assert scores.wer <= 15
    assert scores.ua >= 75
    for attribute in ("gender", "pitch", "volume", "speed"):
        assert scores.attributes[attribute] >= 85


@pytest.mark.parametrize("stage", [ASR_STAGE, SER_STAGE], ids=lambda stage: stage.name)
@pytest.mark.slow
def test_the_tiny_model_listens_to_each_branch(recognizer, batches, stage):
    model = recognizer.mods.model
    batch = batches[0]
    answers = [target_text(stage, utterance) for utterance in batch.utterances]
    with torch.no_grad():
        for signs in listen(model, batch, stage, answers):
            assert not signs.collapsed
            assert signs.gain > 0.1  # nats a token that the right audio gains over another clip's


@pytest.mark.slow
def test_the_embedded_test_voices_are_heard_by_no_backbone(held_out):
    heard = {utterance.speaker for utterance in read_manifest(held_out)}
    assert not heard & {voice.name for voice in voices("train")}
