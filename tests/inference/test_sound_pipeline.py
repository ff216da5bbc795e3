"""The pipeline: inputs and results as transformers' audio classification has them."""

import io
import pathlib

import numpy as np
import pytest
import soundfile
import torch

import speechbrain_xser
from speechbrain_xser.answer.explanation import UNKNOWN
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.errors import AudioError, SettingsError
from speechbrain_xser.inference import pipeline
from tests.local_server import local_server, send


@pytest.fixture(scope="module")
def wav() -> np.ndarray:
    return speak(plan("test", 3, seed=1))


@pytest.fixture(scope="module")
def clip(wav, tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, wav, SAMPLE_RATE, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def tell(packaged):
    return pipeline(packaged)


def same(found, expected) -> None:
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-4)


def test_results_are_the_probabilities_in_order_under_transformers_names(tell, packaged, clip):
    expected = packaged.explain_file(clip).probabilities
    found = tell(str(clip))
    assert {one["label"]: one["score"] for one in found} == expected
    assert [one["score"] for one in found] == sorted(expected.values(), reverse=True)
    assert all(set(one) == {"score", "label"} for one in found)


def test_as_many_classes_are_told_as_are_asked_for(packaged, clip):
    two = pipeline(packaged, top_k=2)
    assert [len(two(clip)), len(two(clip, top_k=99)), len(two(clip, top_k=None))] == [2, 7, 7]


def test_one_sound_gives_the_same_in_every_form(tell, wav, clip):
    forms = [str(clip), clip.read_bytes(), io.BytesIO(clip.read_bytes()), wav, torch.from_numpy(wav), (wav, 16000)]
    forms += [{"array": wav, "sampling_rate": 16000, "path": None}, {"raw": wav, "sampling_rate": 16000}]
    with local_server(lambda request: send(request, clip.read_bytes())) as server:
        found = tell([*forms, f"{server.address}/clip.wav"])
    for one in (*found, tell(io.BytesIO(clip.read_bytes()))):
        same(one, found[0])


def test_several_sounds_give_several_results_in_order_whatever_the_batch(tell, wav, clip):
    other = speak(plan("test", 10, seed=1))
    one, two = tell(wav), tell(other)
    sounds, expected = [clip, other, {"raw": wav, "sampling_rate": 16000}], [one, two, one]
    for size in (1, 2):
        for found, wanted in zip(tell(sounds, batch_size=size), expected, strict=True):
            same(found, wanted)


def test_an_iterator_is_read_as_results_are_taken(tell, wav):
    taken = []

    def sounds():
        for number in range(3):
            taken.append(number)
            yield wav

    found = tell(sounds(), batch_size=1)
    assert taken == [] and len(next(found)) == 7 and taken == [0]
    assert len(list(found)) == 2


def test_nothing_is_claimed_without_speech_or_out_of_the_domain(tell, packaged, wav, monkeypatch):
    assert tell([np.zeros(16000, "float32"), wav])[0] == []
    [told] = packaged.explain_batch([wav])
    monkeypatch.setattr(packaged, "explain_batch", lambda *_: [told._replace(emotion=UNKNOWN)], raising=False)
    assert tell(wav) == []


def test_transformers_pipeline_has_these_names(clip):
    """Its own pipeline, over a random classifier: the same arguments, and results of the same shape."""
    from transformers import AudioClassificationPipeline, Wav2Vec2Config, Wav2Vec2FeatureExtractor
    from transformers import Wav2Vec2ForSequenceClassification as Classifier

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = Classifier(Wav2Vec2Config(**small, num_labels=7, conv_dim=[32] * 7, num_conv_pos_embeddings=8))
    theirs = AudioClassificationPipeline(model=model.eval(), feature_extractor=Wav2Vec2FeatureExtractor(), device=-1)
    ours = pipeline(task="audio-classification", model="tiny", device=-1)
    samples, rate = soundfile.read(clip, dtype="float32")
    for inputs in (samples, {"array": samples, "sampling_rate": rate}, {"raw": samples, "sampling_rate": rate}):
        shapes = [[sorted(one) for one in told(inputs, top_k=3)] for told in (theirs, ours)]
        assert shapes[0] == shapes[1] == [["label", "score"]] * 3
    nested = [[len(one) for one in told([samples, samples], top_k=2)] for told in (theirs, ours)]
    assert nested == [[2, 2], [2, 2]] and len(theirs(samples)) == len(ours(samples)) == 7


@pytest.mark.parametrize(
    "arguments",
    [(), ("audio-classification",), ("image-classification", "tiny"), ("tiny", "small")],
)
def test_another_task_or_no_model_is_a_settings_error(arguments):
    with pytest.raises(SettingsError, match="expected 'audio-classification' and a model's name"):
        pipeline(*arguments)


@pytest.mark.parametrize("options", [{"top_k": 0}, {"top_k": True}, {"batch_size": 0}, {"top_k": "3"}])
def test_a_number_below_one_is_a_settings_error(tell, packaged, wav, options):
    for ask in (lambda: pipeline(packaged, **options), lambda: tell(wav, **options)):
        with pytest.raises(SettingsError, match="expected 1 or more"):
            ask()


@pytest.mark.parametrize("sound", [{"sampling_rate": 16000}, {"array": [0.0]}, {}])
def test_a_dict_without_samples_or_rate_is_an_audio_error(tell, sound):
    with pytest.raises(AudioError, match='expected "array" .or "raw". and "sampling_rate"'):
        tell(sound)


def test_the_package_gives_it_without_loading_anything_before(packaged):
    assert speechbrain_xser.pipeline is pipeline
    assert pipeline("tiny", device="cpu", pretrained=False, speech_check=False).recognizer.device == "cpu"


@pytest.mark.parametrize("given", [{"device": 0}, {"revision": "a" * 40}, {"structured": True}, {"devise": 0}])
def test_what_a_loaded_model_cannot_take_is_named(packaged, given):
    with pytest.raises(SettingsError, match=f"{next(iter(given))}: the model is loaded already"):
        pipeline(packaged, **given)
