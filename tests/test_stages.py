"""One table says what trains in which stage, and on which target."""

import pytest

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE, STAGES, target_text
from speechbrain_xser.testing import tiny_model
from speechbrain_xser.training.optimizers import stage_parameters

SPOKEN = Utterance("a", "a.wav", transcript="go home now", emotion="sad", gender="male", pitch="low")


def owners(model, stage):
    return {name.removeprefix("branches.").split(".")[0] for name in stage_parameters(model, stage)}


def test_stage_1_trains_content_and_lora_and_stage_2_descriptor_and_lora_and_never_a_backbone(tmp_path):
    model = tiny_model(tmp_path)

    assert owners(model, ASR_STAGE) == {"content", "decoder"}
    assert owners(model, SER_STAGE) == {"descriptor", "decoder"}
    assert all("lora" in name for name in stage_parameters(model, SER_STAGE) if name.startswith("decoder"))


@pytest.mark.parametrize(
    ("stage", "transcript", "emotion", "pitch"),
    [
        ("ser", "go home now", "sad", "low"),
        ("ser_asr", "go home now", "sad", None),
        ("ser_sed", None, "sad", "low"),
        ("joint", "go home now", "sad", "low"),
    ],
)
def test_each_target_tells_what_its_system_learns_and_no_more(stage, transcript, emotion, pitch):
    told = parse(target_text(STAGES[stage], SPOKEN))

    assert (told.transcript, told.emotion, told.descriptors.pitch) == (transcript, emotion, pitch)


def test_a_corpus_s_own_caption_is_the_target_where_it_has_one():
    assert target_text(SER_STAGE, SPOKEN._replace(caption='He says "go home now".')) == 'He says "go home now".'


def test_an_utterance_without_transcript_is_refused_by_name_in_the_stage_that_transcribes():
    with pytest.raises(ManifestError, match="'a' has no transcript.*remove it from the training manifest"):
        target_text(ASR_STAGE, SPOKEN._replace(transcript=None))


def test_an_utterance_without_a_label_is_nothing_for_a_start():
    assert target_text(STAGES["labels"], Utterance("a", "a.wav", emotion="sad")) == "sad"
    with pytest.raises(ManifestError, match="has no label"):
        target_text(STAGES["labels"], Utterance("a", "a.wav", transcript="hello"))
