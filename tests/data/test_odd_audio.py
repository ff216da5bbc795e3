"""Every row of ``odd_audio/expected.csv``: what each odd file gives.

References: the samples of ``base.wav``, of which the others are made, read by libsndfile itself; and for
``quiet_then_talk_vbr_noxing.mp3`` what ``ffmpeg -f s16le`` (7.1) decodes: 368,640 samples, silent for nine seconds, RMS
2,534 of 32,768 in the 23rd second.
"""

import csv
import logging

import numpy as np
import pytest
import soundfile
import torch

import speechbrain_xser
from speechbrain_xser.data.audio import load_audio, read_header
from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.errors import AudioError
from speechbrain_xser.explaining.clips import SourceClip, explain_clips
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.timeline.recording import Recording
from tests.genuine import DATA

ODD = DATA / "odd_audio"
RATE, FRAME = 16000, 800  # samples of 50 ms
pytestmark = pytest.mark.skipif(not ODD.is_dir(), reason="odd_audio is not here: set XSER_DATA to its folder's parent")


def base() -> torch.Tensor:
    """The clip that the others are made from, less its mean in steps of 16 bits: integer arithmetic by numpy."""
    samples = soundfile.read(ODD / "base.wav", dtype="int16")[0].astype(np.int32)
    return torch.from_numpy((samples - np.rint(samples.mean()).astype(np.int32)) / np.float32(32768)).float()


def exact(name):
    """Lossless: every sample, followed by at most a block of padding."""
    wave, wanted = load_audio(ODD / name), base()
    assert torch.equal(wave[: len(wanted)], wanted) and len(wave) - len(wanted) < 4


def alike(wave: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether the level follows the original's in every 50 ms, with an encoder delay of at most 0.1 s."""
    envelope = wanted[: len(wanted) // FRAME * FRAME].reshape(-1, FRAME).square().mean(1).sqrt()
    found = []
    for delay in range(0, RATE // 10, 100):
        shifted = torch.nn.functional.pad(wave[delay:], (0, FRAME * len(envelope)))[: FRAME * len(envelope)]
        level = shifted.reshape(-1, FRAME).square().mean(1).sqrt()
        found.append(torch.corrcoef(torch.stack([envelope, level]))[0, 1])
    return max(found) > 0.95


def whole(name, **options):
    wave, wanted = load_audio(ODD / name, **options), base()
    assert 0 <= len(wave) - len(wanted) < 0.11 * RATE and alike(wave, wanted)


def both(name):
    wave, wanted = load_audio(ODD / name), base()
    assert 0 <= len(wave) - 2 * len(wanted) < 0.2 * RATE
    assert alike(wave, wanted) and alike(wave[len(wanted) :], wanted)


def quiet_then_talk(name):
    wave = load_audio(ODD / name, keep_offset=True)
    assert len(wave) == 368640 and wave[: 9 * RATE].abs().max() < 1 / 32768
    assert 32768 * wave[22 * RATE : 23 * RATE].square().mean().sqrt() == pytest.approx(2534, rel=0.01)


def without_offset(name):
    """Half of base.wav at 0.4 of full scale, which is 13,107 steps."""
    wave, samples = load_audio(ODD / name), soundfile.read(ODD / name, dtype="int16")[0]
    assert np.array_equal(32768 * wave.numpy(), samples.astype(np.int32) - 13107)
    assert (wave - base() / 2).abs().max() <= 1.5 / 32768


def at_the_limit(name):
    assert len(load_audio(ODD / name, max_seconds=30.0)) == 30 * RATE  # 480,256 samples without the stated padding


def cancelling(name, caplog):
    exact(name)
    assert f"{ODD / name}: its 2 channels cancel each other out" in caplog.text


def silent_track(name, caplog):
    assert load_audio(ODD / name).abs().max() < 1e-4
    assert f"{name}: has 2 sound tracks" in caplog.text and "of which 1 is read" in caplog.text
    whole(name, track=2)
    with pytest.raises(AudioError, match=f"{name}: no sound track 3, expected 1 to 2: 1: aac, 2.7 s, default; 2: aac"):
        load_audio(ODD / name, track=3)


def default_track(name, caplog):
    whole(name)
    assert "of which 2 is read" in caplog.text and load_audio(ODD / name, track=1).abs().max() < 1e-4


def refused(name):
    with pytest.raises(AudioError, match=f"{name}: cannot be read as audio .* Expected wav, .*, 3gp, .*") as told:
        load_audio(ODD / name)
    assert "\n" not in str(told.value)


def read_elsewhere_told(name):
    """Checks that all of it is read; tests/inference/test_no_speech.py checks the model's answer."""
    assert len(load_audio(ODD / name)) == soundfile.info(ODD / name).frames


RULES = {
    "base.wav": exact,
    "exactly_30s.m4a": at_the_limit,
    "webm_named_as.wav": whole,
    "m4a_named_as.mp3": whole,
    "opus_named.m4a": whole,
    "mp3_two_joined_by_cat.mp3": both,
    "mp3_vbr_noxing.mp3": whole,
    "quiet_then_talk_vbr_noxing.mp3": quiet_then_talk,
    "wav_size_zero.wav": exact,
    "wav_size_80000000.wav": exact,
    "wav_size_fffffffe.wav": exact,
    "wav_size_plus1.wav": exact,
    "wav_gsm.wav": whole,
    "telegram.oga": whole,
    "browser.weba": whole,
    "phone.3gp": whole,
    "all_zero.wav": read_elsewhere_told,
    "antiphase_stereo.wav": cancelling,
    "dc_offset.wav": without_offset,
    "music.wav": read_elsewhere_told,
    "m4a_two_tracks_first_silent.m4a": silent_track,
    "m4a_default_is_second.mp4": default_track,
    "three_bytes.mp3": refused,
    "oggflac.oga": exact,
    "apple.aiff": exact,
    "core.caf": exact,
    "sun.au": exact,
    "sony.w64": exact,
    "german.flac": read_elsewhere_told,
    "wav_adpcm_ms.wav": whole,
}
TOLD = {"antiphase_stereo.wav", "m4a_two_tracks_first_silent.m4a", "m4a_default_is_second.mp4"}


def rows() -> list[str]:
    if not ODD.is_dir():
        return []
    with open(ODD / "expected.csv", encoding="utf-8", newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


READABLE = [name for name in rows() if name != "three_bytes.mp3"]


@pytest.mark.parametrize("name", rows())
def test_an_odd_file_gives_the_result_in_its_row(name, caplog):
    assert name in RULES, f"{name}: a row without a rule"
    RULES[name](name, *([caplog] if name in TOLD else []))


@pytest.mark.parametrize("name", READABLE)
def test_an_odd_recording_has_the_samples_of_the_whole_file(name):
    recording, wave = Recording(ODD / name), load_audio(ODD / name)
    found = torch.cat(list(recording.blocks()))
    assert recording.fault is None and len(found) == len(wave) and (found - wave).abs().max() < 1e-5


@pytest.mark.parametrize("name", READABLE)
def test_a_segment_of_an_odd_file_is_what_the_whole_has_there(name):
    rate = read_header(ODD / name).sample_rate
    start, stop = 0.25, 0.75
    part = load_audio(ODD / name, start, stop, rate, keep_offset=True)
    whole = load_audio(ODD / name, sample_rate=rate, keep_offset=True)
    assert torch.equal(part, whole[round(start * rate) : round(stop * rate)])


@pytest.mark.parametrize("name", READABLE)
def test_the_stated_length_of_an_odd_file_is_about_that_of_its_sound(name):
    seconds = len(load_audio(ODD / name)) / RATE
    assert 0 <= read_header(ODD / name).seconds - seconds + 1e-3 < 0.12


def test_every_odd_file_is_found_in_its_folder():
    assert {path.name for path in find_audio_below(ODD)} == set(rows())


@pytest.fixture(scope="module")
def packaged():
    return ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())


def test_an_offset_changes_no_answer_of_a_file_or_an_array(packaged):
    samples = torch.from_numpy(soundfile.read(ODD / "dc_offset.wav", dtype="float32")[0])
    assert samples.mean() > 0.39
    [wanted] = packaged.explain_batch((samples - 13107 / 32768)[None])
    assert packaged.explain_file(ODD / "dc_offset.wav") == wanted and packaged.explain_batch(samples[None]) == [wanted]
    louder = packaged.explain_file(ODD / "base.wav")  # twice as loud: the same but for the probabilities
    assert (wanted.paragraph, wanted.emotion) == (louder.paragraph, louder.emotion)


def test_a_file_at_the_limit_does_not_stop_the_others(packaged, caplog):
    caplog.set_level(logging.WARNING)
    names = ["three_bytes.mp3", "exactly_30s.m4a", "base.wav"]
    told = list(explain_clips(packaged, [SourceClip(name, str(ODD / name)) for name in names]))
    assert [one.explanation is None for one in told] == [True, False, False]


def test_a_header_with_a_wrong_length_is_named_and_does_not_stop_the_others(packaged, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.explaining.clips._checked_seconds", lambda clip, most: 1.0)
    monkeypatch.setattr("speechbrain_xser.data.video._stated_seconds", lambda *_: 0.0)
    monkeypatch.setattr(packaged.hparams, "max_seconds", 5.0)
    names = ["mp3_two_joined_by_cat.mp3", "base.wav"]
    first, second = explain_clips(packaged, [SourceClip(name, str(ODD / name)) for name in names])
    assert first.fault.startswith("mp3_two_joined_by_cat.mp3: longer than 5 s") and second.explanation is not None
