"""All evidence of one clip, with the packaged model."""

import json
from types import SimpleNamespace

import pytest
import torch

from speechbrain_xser.answer.explanation import Explanation
from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.decoder.heads import HeadsDecoder
from speechbrain_xser.errors import AudioError, SettingsError
from speechbrain_xser.evidence.claims import check_claims
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.lobes.word_recognizer import WhisperRecognizer
from speechbrain_xser.testing import tiny_recognizer_folder
from tests.genuine import DATA


@pytest.fixture(scope="module")
def recognizer(unchecked):
    return unchecked


@pytest.fixture(scope="module")
def wav():
    time = torch.arange(20000) / 16000
    return 0.2 * torch.sin(6.2832 * (180 + 40 * torch.sin(12 * time)) * time)


@pytest.fixture(scope="module")
def evidence(recognizer, wav):
    return gather_evidence(recognizer, wav)


def test_the_evidence_comes_with_the_clip_s_usual_explanation(recognizer, wav, evidence):
    assert evidence.explanation == recognizer.explain_batch(wav[None])[0]
    assert evidence.claims == check_claims(evidence.explanation.paragraph, wav)
    assert evidence.attribution.distributions["all"] == pytest.approx(evidence.explanation.probabilities, abs=1e-5)


def test_an_existing_explanation_is_not_computed_again(recognizer, wav, evidence):
    told = evidence.explanation._replace(paragraph="A woman with high pitch speaks, her sadness evident.")
    found = gather_evidence(recognizer, wav, told)
    assert found.explanation is told and found.attribution.emotion == found.where.emotion == "sad"
    assert [claim.field for claim in found.claims] == ["gender", "pitch", "emotion"]


def test_it_says_how_often_answers_as_sure_were_right(recognizer, wav, monkeypatch):
    counts = Reliability("others", (SureBin(0.0, 1.0, 100, 71),))
    monkeypatch.setattr(recognizer, "reliability", counts, raising=False)
    told = Explanation("His anger is evident.", None, Descriptors(), "angry", {"angry": 0.8, "sad": 0.2})
    found = gather_evidence(recognizer, wav, told)
    assert found.as_dict()["reliability"] == {"low": 0.0, "high": 1.0, "answers": 100, "right": 71, "source": "others"}
    assert found._replace(explanation=told._replace(emotion="unknown")).as_sure is None


def test_a_model_s_own_whisper_is_asked_about_the_words(recognizer, wav, monkeypatch, tmp_path):
    whisper = WhisperRecognizer(tiny_recognizer_folder(tmp_path))
    monkeypatch.setattr("speechbrain_xser.evidence.clip_evidence.recognizers", lambda model: [whisper])
    told = Explanation('A man says, "by the door", his anger evident.', "by the door", Descriptors(), "angry", {})
    [words] = [claim for claim in gather_evidence(recognizer, wav, told).claims if claim.field == "words"]
    assert words.by == "Whisper's decoder hears" and words.said == "by the door" and words.unit == "% likely"


def test_a_clip_in_its_own_voice_keeps_its_label(recognizer, wav):
    found = gather_evidence(recognizer, wav, voice=wav)
    assert found.swapped == pytest.approx(found.explanation.probabilities, abs=1e-5)


def test_json_holds_it(recognizer, evidence):
    found = json.loads(json.dumps(evidence.as_dict()))
    told = {"claims", "measured", "reliability", "voice_or_words", "swapped", "average", "where"}
    assert set(found) == told and found["measured"]["level_decibels"] == pytest.approx(-17.0, abs=0.1)  # 0.2 / sqrt(2)
    frames = int(recognizer.mods.model.encoder.frame_counts(torch.tensor([20000])))
    assert len(found["where"]["branches"]["content"]["kl_nats"]) == frames
    shares = found["voice_or_words"]
    assert shares["total"] == pytest.approx(sum(shares["shares"].values()))


def test_a_clip_that_is_too_long_is_refused(recognizer):
    with pytest.raises(AudioError, match="30"):
        gather_evidence(recognizer, 0.1 * torch.randn(31 * 16000))


@pytest.mark.skipif(not (DATA / "cremad").is_dir(), reason="CREMA-D is not here: set XSER_DATA")
@pytest.mark.slow
def test_a_shouting_actor_is_judged_by_the_voice_and_not_by_the_words(recognizer):
    folder = DATA / "cremad" / "AudioWAV"
    clips = [next(folder.glob(f"{actor}_DFA_ANG_XX.*")) for actor in ("1002", "1004")]
    found = [gather_evidence(recognizer, recognizer.load_audio(clip)) for clip in clips]
    shares = [one.attribution.shares for one in found]
    assert all(abs(one["descriptor"]) > abs(one["content"]) for one in shares)


def test_a_model_that_writes_no_paragraphs_is_named(recognizer, wav):
    mods = SimpleNamespace(model=SimpleNamespace(decoder=HeadsDecoder(4, emotions=["angry", "sad"])))
    with pytest.raises(SettingsError, match="HeadsDecoder in stage 'ser', expected an LLM"):
        gather_evidence(SimpleNamespace(mods=mods, hparams=recognizer.hparams), wav)


@pytest.mark.parametrize("voice", [torch.full((16000,), torch.nan), torch.zeros(0), torch.zeros(31 * 16000)])
def test_an_unreadable_voice_is_refused(recognizer, wav, voice):
    with pytest.raises(AudioError):
        gather_evidence(recognizer, wav, voice=voice)


@pytest.mark.skipif(not (DATA / "cremad").is_dir(), reason="CREMA-D is not here: set XSER_DATA")
@pytest.mark.slow
def test_the_shares_of_real_clips_add_up_to_within_a_fifth_of_a_nat(recognizer):
    folder = DATA / "cremad" / "AudioWAV"
    for name in ("1002_IOM_FEA_XX", "1002_DFA_NEU_XX", "1002_IEO_SAD_HI"):
        found = gather_evidence(recognizer, recognizer.load_audio(next(folder.glob(f"{name}.*"))))
        told = sum(trace.shares.sum() for trace in found.where.branches.values())
        assert float(told) == pytest.approx(found.attribution.total, abs=0.2)
