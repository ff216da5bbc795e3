"""What the recogniser says about a clip, and what it refuses."""

import re
import shutil

import numpy as np
import pytest
import soundfile
import torch

import speechbrain_xser
from speechbrain_xser import ExplainableEmotionRecognizer, Explanation
from speechbrain_xser.answer.emotion_slot import emotion_slot
from speechbrain_xser.answer.record import EMOTIONS, Descriptors
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import AudioError
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.testing import tiny_lobes, tiny_model

PARAGRAPH = 'An old man speaks, stating, "dogs are sitting by the door", his anger evident.'


@pytest.fixture
def answering(recognizer, monkeypatch):
    """Makes the decoder answer a given paragraph."""

    def answer(paragraph):
        decoder = recognizer.mods.model.decoder
        monkeypatch.setattr(decoder, "generate", lambda tokens, *_, **__: [paragraph] * len(tokens["content"].counts))
        return recognizer

    return answer


def test_the_record_is_read_out_of_the_paragraph(answering, trained):
    explanation = answering(PARAGRAPH).explain_file(trained.clips[0])
    assert explanation[:4] == (
        PARAGRAPH,
        "dogs are sitting by the door",
        Descriptors(gender="male", age="elderly"),
        "angry",
    )


def test_an_empty_answer_gives_a_record_of_unknowns(answering, trained):
    explanation = answering("").explain_file(trained.clips[0])
    assert explanation[:4] == ("", None, Descriptors(), None)
    assert sum(explanation.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "text", ["<Content>", "<Speech descriptor>", "<|eot_id|>", "\ue000", "{instruction}", "\x00", "🙂" * 50]
)
def test_control_and_slot_text_in_an_answer_is_harmless(answering, trained, text):
    explanation = answering(f'A man says, "{text}", his anger evident.').explain_file(trained.clips[0])
    assert explanation.emotion == "angry"
    assert sum(explanation.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "paragraph", [PARAGRAPH, "", "no emotion here", 'A man says, "I am happy', "Anger in a voice."]
)
def test_probabilities_cover_every_class_and_sum_to_one(answering, trained, paragraph):
    probabilities = answering(paragraph).explain_file(trained.clips[0]).probabilities
    assert tuple(probabilities) == EMOTIONS
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert all(0 < value < 1 for value in probabilities.values())


def test_probabilities_are_the_decoders_own_likelihood_of_each_word_in_place(answering, trained):
    found = answering(PARAGRAPH).explain_file(trained.clips[0]).probabilities
    wav, before = load_audio(trained.clips[0]), PARAGRAPH.split(" anger")[0]
    model, scores = trained.model, []
    for word in ("neutral mood", "happiness", "sadness", "anger", "surprise", "fear", "disgust"):
        start = len(model.decoder.answer_tokens([before])[0]) - 1
        with torch.no_grad():
            answer = model(wav[None], torch.tensor([len(wav)]), SER_STAGE, [f"{before} {word}"]).answer
        steps = answer.logits.log_softmax(-1).gather(1, answer.targets[:, None])[start:-1]
        scores.append(steps.mean().item())
    expected = torch.tensor(scores).softmax(0).tolist()
    assert list(found.values()) == pytest.approx(expected, abs=1e-5)


def test_a_capital_emotion_is_replaced_by_capital_ones():
    assert emotion_slot("Anger rises.", ("sad", "neutral")).words == ["Sadness", "Neutral mood"]


def test_an_open_quote_is_closed_before_the_clause():
    assert emotion_slot('He says, "well', ("sad",)) == ('He says, "well", sounding', [" sad"])


def test_a_word_inside_the_transcript_is_not_the_slot():
    assert emotion_slot('He says, "anger", sounding sad.', ("happy",)) == ('He says, "anger", sounding', [" happy"])


def test_a_batch_gives_what_each_clip_gives_alone(recognizer, trained):
    wavs = [load_audio(path) for path in trained.clips]
    lengths = torch.tensor([len(wav) for wav in wavs], dtype=torch.float64)
    padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True, padding_value=float("nan"))
    together = recognizer.explain_batch(padded, lengths / lengths.max())
    for path, one in zip(trained.clips, together, strict=True):
        alone = recognizer.explain_file(path)
        assert one[:4] == alone[:4]
        assert list(one.probabilities.values()) == pytest.approx(list(alone.probabilities.values()), abs=1e-4)


@pytest.mark.parametrize("joined", [1, 2, 8])
def test_batches_that_are_answered_together_give_what_each_gives_alone(recognizer, trained, joined):
    wavs = [recognizer.load_audio(path) for path in trained.clips]
    batches = [(wavs[0][None], None), (torch.zeros(0, 0), None), (wavs[1][None], None), (wavs[2][None], None)]
    found = list(recognizer.explain_batches(batches, joined))
    assert [len(one) for one in found] == [1, 0, 1, 1]
    assert [one[0].paragraph for one in found if one] == [
        recognizer.explain_batch(wav[None])[0].paragraph for wav in wavs[:3]
    ]


def test_a_batch_that_cannot_be_used_is_refused_after_those_before_it(recognizer):
    batches = [(torch.zeros(1, 8000), None), (torch.full((1, 8000), torch.nan), None), (torch.zeros(1, 8000), None)]
    found = recognizer.explain_batches(batches)
    assert len(next(found)) == 1
    with pytest.raises(AudioError, match="row 0"):
        next(found)


@pytest.mark.slow
def test_structured_answers_are_of_one_form_and_guessing_changes_none():
    source = speechbrain_xser.packaged_model()
    plain, guessing, structured = (
        ExplainableEmotionRecognizer.from_hparams(source, speech_check=False, **options)
        for options in ({}, {"speculate": 4}, {"structured": True})
    )
    wavs = 0.1 * torch.randn(3, 16000, generator=torch.Generator().manual_seed(1))
    free = [explanation.paragraph for explanation in plain.explain_batch(wavs)]
    assert [explanation.paragraph for explanation in guessing.explain_batch(wavs)] == free
    for explanation in structured.explain_batch(wavs):
        assert explanation.emotion in plain.hparams.emotions and explanation.transcript is not None
        form = r"^An? .* pitch and .* volume speaks at a .* pace, stating, \".*evident"
        assert re.search(form, explanation.paragraph)


def test_an_empty_batch_gives_an_empty_list(recognizer):
    assert recognizer.explain_batch(torch.zeros(0, 16000)) == []


def test_calling_the_recogniser_explains_the_batch(recognizer):
    wavs = torch.zeros(1, 8000)
    assert recognizer(wavs) == recognizer.explain_batch(wavs)
    assert isinstance(recognizer(wavs)[0], Explanation)


def test_two_clips_of_one_name_give_their_own_answers(recognizer, trained, tmp_path):
    for place, clip in zip("ab", trained.clips, strict=False):
        (tmp_path / place).mkdir()
        shutil.copy(clip, tmp_path / place / "clip.wav")
    own = [recognizer.explain_file(tmp_path / place / "clip.wav") for place in "ab"]
    assert own == [recognizer.explain_file(clip) for clip in trained.clips[:2]]
    assert own[0] != own[1]


def test_nothing_is_written_beside_a_clip_or_in_the_savedir(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    savedir = tmp_path / "savedir"
    own = ExplainableEmotionRecognizer.from_hparams(
        trained.folder, savedir=savedir, run_opts={"device": "cpu"}, speech_check=False
    )
    own.explain_file(trained.clips[0])
    assert not list(tmp_path.iterdir())


def _tone(rate, seconds=1.0):
    return 0.3 * np.sin(2 * np.pi * 220 * np.arange(int(rate * seconds)) / rate)


def test_another_sample_rate_is_resampled(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", _tone(44100), 44100)
    assert recognizer.load_audio(tmp_path / "a.wav").shape == (16000,)


def test_stereo_is_downmixed(recognizer, tmp_path):
    tone = _tone(16000)
    soundfile.write(tmp_path / "mono.wav", tone, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "stereo.wav", np.stack([1.5 * tone, 0.5 * tone], 1), 16000, subtype="FLOAT")
    mono, stereo = (recognizer.explain_file(tmp_path / f"{name}.wav") for name in ("mono", "stereo"))
    assert stereo[:4] == mono[:4]


@pytest.mark.parametrize("samples", [1, 100, 400, 16000])
def test_silence_and_very_short_clips_are_explained(recognizer, tmp_path, samples):
    soundfile.write(tmp_path / "a.wav", np.zeros(samples), 16000)
    probabilities = recognizer.explain_file(tmp_path / "a.wav").probabilities
    assert np.isfinite(list(probabilities.values())).all()


def _write(path, kind):
    if kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not audio at all")
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16000)
    elif kind == "truncated":
        soundfile.write(path, _tone(16000), 16000)
        path.write_bytes(path.read_bytes()[:-999])
    elif kind in ("nan", "inf", "1e30"):
        soundfile.write(path, np.append(_tone(16000), float(kind)), 16000, subtype="FLOAT")
    elif kind == "too long":
        soundfile.write(path, np.zeros(16000 * 120), 16000)
    elif kind == "a folder":
        path.mkdir()


@pytest.mark.parametrize(
    "kind", ["missing", "a folder", "zero bytes", "text", "no samples", "truncated", "nan", "inf", "1e30", "too long"]
)
def test_a_file_that_cannot_be_used_is_refused_by_name(recognizer, tmp_path, kind):
    path = tmp_path / "my clip.wav"
    _write(path, kind)
    with pytest.raises(AudioError, match="my clip.wav"):
        recognizer.explain_file(path)


def test_a_clip_that_is_too_long_is_refused_with_both_lengths(recognizer, tmp_path):
    _write(tmp_path / "a.wav", "too long")
    with pytest.raises(AudioError, match=r"120\.00 s long, expected at most 5 s"):
        recognizer.explain_file(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("wavs", "lengths", "message"),
    [
        (torch.zeros(16000), None, "expected floats"),
        (torch.zeros(1, 16000, dtype=torch.int16), None, "expected floats"),
        (torch.zeros(2, 16000), torch.ones(3), "one length per row"),
        (torch.zeros(2, 16000), torch.tensor([1.0, 0.0]), "row 1: no samples"),
        (torch.zeros(2, 16000), torch.tensor([1.0, 1.5]), "row 1: relative length 1.5"),
        (torch.zeros(2, 16000), torch.tensor([float("nan"), 1.0]), "row 0: relative length nan"),
        (torch.full((1, 16000), float("nan")), None, "row 0: 16000 of 16000 samples are NaN"),
        (torch.zeros(1, 16000 * 6), None, "row 0: 6.00 s long"),
    ],
)
def test_a_batch_that_cannot_be_used_is_refused_by_row(recognizer, wavs, lengths, message):
    with pytest.raises(AudioError, match=message):
        recognizer.explain_batch(wavs, lengths)


def test_a_recogniser_put_into_training_still_takes_the_mean(recognizer, trained):
    before = recognizer.explain_file(trained.clips[0])
    recognizer.train()
    try:
        assert recognizer.explain_file(trained.clips[0]) == before
        assert recognizer.training  # left as it was found
    finally:
        recognizer.eval()


def test_arrays_and_lists_are_taken_as_tensors_are(recognizer):
    wavs = torch.randn(2, 8000) * 0.1
    assert recognizer.explain_batch(wavs.numpy(), [1.0, 0.5]) == recognizer.explain_batch(wavs, torch.tensor([1, 0.5]))


@pytest.mark.parametrize("batch", [torch.zeros(3, 8000), (torch.zeros(1, 8000),), None])
def test_a_batch_that_is_no_pair_is_one_line(recognizer, batch):
    with pytest.raises(AudioError, match=r"expected a pair \(wavs, wav_lens\)"):
        list(recognizer.explain_batches([batch]))


def test_what_torchaudio_returns_is_explained_as_the_file_is(recognizer, trained):
    samples, rate = soundfile.read(trained.clips[0], dtype="float32")
    pair, expected = (torch.from_numpy(samples)[None], rate), recognizer.explain_file(trained.clips[0])
    assert recognizer.explain_batch(pair) == [expected]
    first, _ = recognizer.explain_batch([pair, pair])
    assert first.paragraph == expected.paragraph
    assert first.probabilities == pytest.approx(expected.probabilities, abs=1e-5)  # two rows are rounded otherwise
    assert list(recognizer.explain_live(pair))[-1] == expected
    [half] = recognizer.explain_batch([samples[::2].copy()], sampling_rate=rate // 2)
    assert list(half.probabilities) == list(expected.probabilities)


def test_samples_in_place_of_a_path_are_refused(recognizer):
    with pytest.raises(AudioError, match="path is Tensor"):
        recognizer.explain_file(torch.zeros(16000))


@pytest.mark.slow
def test_merging_lora_leaves_the_answers_unchanged(recognizer, trained):
    merged = ExplainableEmotionRecognizer.from_hparams(
        trained.folder, run_opts={"device": "cpu"}, merge=True, speech_check=False
    )
    assert not any("lora_" in name for name, _ in merged.named_parameters())
    for path in trained.clips:
        one, other = merged.explain_file(path), recognizer.explain_file(path)
        assert one[:4] == other[:4]
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-4)


def test_the_run_options_decide_device_and_dtype(trained):
    options = {"device": "cpu", "dtype": "bfloat16", "precision": "bf16"}
    own = ExplainableEmotionRecognizer.from_hparams(trained.folder, run_opts=options, speech_check=False)
    assert own.device == "cpu"
    assert own.mods.model.decoder.causal.dtype == torch.bfloat16
    assert sum(own.explain_file(trained.clips[0]).probabilities.values()) == pytest.approx(1)


def test_overrides_change_a_value_of_the_folder(trained):
    own = ExplainableEmotionRecognizer.from_hparams(
        trained.folder,
        overrides={"max_seconds": 0.1, "emotions": ["sad", "angry"]},
        run_opts={"device": "cpu"},
        speech_check=False,
    )
    with pytest.raises(AudioError, match="at most 0.1 s"):
        own.explain_file(trained.clips[0])
    assert list(own.explain_batch(torch.zeros(1, 1600))[0].probabilities) == ["sad", "angry"]


def test_a_model_is_left_frozen_and_in_eval(recognizer):
    assert not any(parameter.requires_grad for parameter in recognizer.parameters())
    assert not any(module.training for module in recognizer.mods.modules())


def test_a_model_without_lora_is_written_and_read(tmp_path, trained):
    from speechbrain_xser.model_folder.save import write_model_folder

    backbones = tmp_path / "backbones"
    model, lobes = tiny_model(backbones, lora=None), tiny_lobes(backbones, lora=None)
    folder = write_model_folder(tmp_path / "plain", model, {"model": lobes})
    own = ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"}, speech_check=False)
    wav = torch.zeros(1, 16000)
    assert own.explain_batch(wav)[0].paragraph == model.generate(wav, torch.tensor([16000]))[0]
