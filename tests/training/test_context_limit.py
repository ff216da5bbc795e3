"""An utterance that does not fit into the decoder's context stops a run before its first step, by name."""

import functools
from pathlib import Path

import pytest
import torch

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.errors import PromptError
from speechbrain_xser.model import build_model
from speechbrain_xser.stages import ASR_STAGE
from speechbrain_xser.testing import tiny_lobes
from speechbrain_xser.training.context_limit import check_context_limit
from speechbrain_xser.training.window import answers_of
from tests.training.runner import make, tiny_data, tiny_hparams

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"), train=1)


def refused(check) -> bool:
    try:
        check()
    except PromptError:
        return True
    return False


def test_a_transcript_longer_than_the_context_stops_a_run_before_its_first_step_by_its_utterance(data, tmp_path):
    utterances = read_manifest(data["valid_manifest"])
    path = Path(data["train_manifest"]).with_name("long.jsonl")
    write_manifest(str(path), [*utterances[:-1], utterances[-1]._replace(transcript="by the door " * 2000)])
    with pytest.raises(PromptError, match=rf"1 of 3 utterances exceed .*in stage 'asr': {utterances[-1].id} \("):
        make(tiny_hparams({**data, "train_manifest": str(path)}, tmp_path))


def test_an_answer_as_long_as_the_context_is_refused_before_the_first_validation(data, tmp_path):
    model = functools.partial(build_model, **tiny_lobes(tmp_path / "lobes", max_new_tokens=4000))
    with pytest.raises(PromptError, match="3 of 3 utterances exceed.*lower max_new_tokens"):
        make(tiny_hparams({**data, "model": model}, tmp_path))
    make(tiny_hparams({**data, "model": model}, tmp_path, search_limit=0))


def test_a_clip_of_the_test_is_refused_before_the_training_and_not_after_it(data, tmp_path):
    utterances = read_manifest(data["valid_manifest"])
    path = Path(data["train_manifest"]).with_name("long test.jsonl")
    write_manifest(str(path), [*utterances[:-1], utterances[-1]._replace(transcript="by the door " * 2000)])
    with pytest.raises(PromptError, match=rf"1 of 3 utterances exceed .*in stage 'ser': {utterances[-1].id} \("):
        make(tiny_hparams({**data, "test_manifest": str(path)}, tmp_path))


def test_the_check_agrees_with_the_step_to_the_token(data, tmp_path):
    brain, loaders = make(tiny_hparams(data, tmp_path))
    (batch,), config = loaders.train, brain.model.decoder.causal.config
    answers = answers_of(batch, ASR_STAGE)
    seen = set()
    for context in range(40, 200):
        config.max_position_embeddings = context
        early = refused(lambda: check_context_limit(loaders.train.dataset, brain.model, [ASR_STAGE]))
        with torch.no_grad():
            late = refused(lambda: brain.model(batch.wavs, batch.samples, ASR_STAGE, answers))
        assert early == late, context
        seen.add(early)
        if not early:
            break
    assert seen == {True, False}
