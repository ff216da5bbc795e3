"""The recogniser by SpeechBrain's names: what its users expect, from the answers that it gives anyway."""

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.answer.explanation import OUT, UNKNOWN, Explanation
from speechbrain_xser.answer.record import EMOTIONS, Descriptors
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.errors import AudioError, SettingsError
from speechbrain_xser.inference import pipeline

PARAGRAPH = 'A man says, "go", sad.'


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, speak(plan("test", 3, seed=1)), SAMPLE_RATE)
    return path


def told(best: str, **fields) -> Explanation:
    """An explanation in which one class has 0.4, and the others share the rest."""
    shares = {emotion: 0.4 if emotion == best else 0.1 for emotion in EMOTIONS}
    return Explanation(PARAGRAPH, "go", Descriptors(), "sad", shares)._replace(**fields)


@pytest.fixture
def answering(unchecked, monkeypatch):
    """Makes the recogniser give some explanations."""

    def answer(*explanations):
        monkeypatch.setattr(unchecked, "explain_batch", lambda *_: list(explanations), raising=False)
        return unchecked

    return answer


def test_four_values_are_given_as_by_speechbrain_of_the_most_probable_class(answering):
    recognizer = answering(told("angry"), told("neutral"))
    out_prob, score, index, text_lab = recognizer.classify_batch(torch.zeros(2, 16000))
    assert recognizer.hparams.emotions == list(EMOTIONS) or tuple(recognizer.hparams.emotions) == EMOTIONS
    angry, neutral = EMOTIONS.index("angry"), EMOTIONS.index("neutral")
    assert out_prob.shape == (2, 7) and out_prob.dtype == torch.float32
    assert out_prob[0].tolist() == pytest.approx([0.4 if place == angry else 0.1 for place in range(7)])
    assert score.tolist() == pytest.approx([0.4, 0.4]) and index.tolist() == [angry, neutral]
    assert text_lab == ["angry", "neutral"]  # the paragraph says sad


def test_nothing_is_claimed_of_a_clip_without_speech_and_no_emotion_out_of_the_domain(answering):
    recognizer = answering(Explanation.without_speech(), told("angry", domain=OUT, emotion=UNKNOWN))
    found = recognizer.classify_batch(torch.zeros(2, 16000))
    assert found.text_lab == [None, "unknown"] and found.index.tolist() == [-1, EMOTIONS.index("angry")]
    assert found.out_prob[0].tolist() == [0.0] * 7 and float(found.score[1]) == pytest.approx(0.4)


def test_an_empty_batch_has_no_rows(packaged):
    found = packaged.classify_batch(torch.zeros(0, 16000))
    assert found.out_prob.shape == (0, 7) and found.text_lab == []


def test_a_file_is_classified_as_its_samples_are(packaged, clip):
    expected = packaged.explain_file(clip).probabilities
    found = packaged.classify_file(clip, savedir="anywhere")
    assert dict(zip(EMOTIONS, found.out_prob[0].tolist(), strict=True)) == pytest.approx(expected)
    assert found.text_lab == [max(expected, key=expected.get)]
    assert packaged.classify_file(clip.read_bytes()).text_lab == found.text_lab


def test_a_file_is_transcribed_by_what_its_paragraph_quotes(packaged, clip, tmp_path):
    assert packaged.transcribe_file(clip) == packaged.explain_file(clip).transcript != ""
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    assert packaged.transcribe_file(tmp_path / "silence.wav") == ""


def test_a_model_whose_answers_have_no_transcript_says_so(packaged, clip, monkeypatch):
    monkeypatch.setattr(packaged.hparams, "stage", "ser_sed")
    with pytest.raises(SettingsError, match="'ser_sed', whose answers have no transcript"):
        packaged.transcribe_file(clip)


def test_the_answer_of_a_model_of_transcripts_is_the_transcript(answering, clip, monkeypatch):
    recognizer = answering(told("sad", paragraph="go home", transcript=None))
    monkeypatch.setattr(recognizer.hparams, "stage", "asr")
    assert recognizer.transcribe_file(clip) == "go home"


def test_embeddings_of_both_branches_are_those_of_the_clip_alone(packaged):
    wavs = [0.1 * torch.randn(count, generator=torch.Generator().manual_seed(1)) for count in (16000, 9000)]
    together, alone = packaged.encode_batch(wavs), packaged.encode_batch([wavs[1]])
    assert set(together.utterances) == {"content", "descriptor"} == set(together.frames) == set(together.counts)
    for name in together.frames:
        frames, count = together.frames[name][1], int(together.counts[name][1])
        assert count == int(alone.counts[name][0]) < together.frames[name].shape[1]
        assert frames[count:].count_nonzero() == 0
        torch.testing.assert_close(frames[:count], alone.frames[name][0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.utterances[name][1], frames[:count].mean(0), atol=1e-5, rtol=1e-5)


def test_every_verb_takes_another_rate(packaged, clip):
    wav = torch.from_numpy(speak(plan("test", 3, seed=1)))
    slow = wav.reshape(-1)[: len(wav) // 2 * 2]
    rate = 2 * SAMPLE_RATE  # twice too fast, so that half of the samples are left
    found = packaged.encode_batch([slow], sampling_rate=rate)
    assert int(found.counts["descriptor"]) == int(packaged.encode_batch([slow[::2]]).counts["descriptor"])
    expected = packaged.explain_batch([slow], sampling_rate=rate)[0]
    [*_, live] = packaged.explain_live(slow, sampling_rate=rate)
    assert live.paragraph == expected.paragraph == packaged([slow], sampling_rate=rate)[0].paragraph
    classified = packaged.classify_batch([slow], sampling_rate=rate)
    assert classified.out_prob[0].tolist() == pytest.approx(list(expected.probabilities.values()), abs=1e-5)
    assert packaged.clip_means([slow], sampling_rate=rate).voice.shape == (1, 64)


@pytest.mark.parametrize("verb", ["classify_file", "transcribe_file"])
def test_errors_of_the_verbs_are_those_of_explain_file(packaged, verb):
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        getattr(packaged, verb)("none.wav")


def test_a_model_whose_answers_name_no_emotion_claims_none(unchecked, monkeypatch):
    monkeypatch.setattr(unchecked.hparams, "stage", "asr")
    with pytest.raises(SettingsError, match="answers name no emotion"):
        unchecked.classify_batch(torch.zeros(1, 16000))
    with pytest.raises(SettingsError, match="answers name no emotion"):
        pipeline(unchecked)


def test_a_batch_without_clips_has_no_embeddings(unchecked):
    with pytest.raises(AudioError, match="the batch has no clip"):
        unchecked.encode_batch(torch.zeros(0, 16000))
