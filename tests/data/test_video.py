"""Sound from video files: the right channel, complete, or an error that names the file."""

import av
import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from speechbrain_xser.data.audio import load_audio, read_header, seconds_of
from speechbrain_xser.data.doctor import check
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.data.video import load_track
from speechbrain_xser.errors import AudioError
from tests.data.media import write_media, write_silent_film
from tests.genuine import DATA

REAL = DATA / "librispeech"
needs_speech = pytest.mark.skipif(
    not REAL.is_dir(), reason="LibriSpeech is not here: set XSER_DATA to the folder with librispeech/"
)
OTHERS = {"a.m4a": "aac", "a.webm": "libopus", "a.mkv": "flac", "a.mov": "pcm_s16le"}
LAYOUTS = {"5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"), "stereo": ("FL", "FR"), "mono": ("FC",)}


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(48000 * seconds)) / 48000)


def tones(layout: str) -> np.ndarray:
    """Channel i has a tone of (i + 1) * 100 Hz."""
    return np.stack([tone(100.0 * (place + 1)) for place in range(len(LAYOUTS[layout]))], axis=1)


def voice_of(path, **options) -> torch.Tensor:
    """The voice of a 48 kHz file, at its own rate."""
    return load_audio(path, sample_rate=48000, **options)


def strongest_hertz(samples) -> int:
    """Main frequency of the middle half second, to 2 Hz."""
    return 2 * int(np.abs(np.fft.rfft(np.asarray(samples)[12000:36000])).argmax())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_channel_keeps_its_name_and_its_sound(tmp_path, layout):
    samples = tones(layout)
    if layout == "5.1":
        samples[:, 3] = tone(60)  # an LFE passes nothing above 120 Hz
    track = load_track(write_media(tmp_path / "a.mp4", samples, layout))
    assert (track.channels, track.sample_rate) == (LAYOUTS[layout], 48000)
    wanted = [60 if name == "LFE" else 100 * (place + 1) for place, name in enumerate(LAYOUTS[layout])]
    assert [strongest_hertz(channel) for channel in track.samples.T] == wanted


def test_the_voice_of_six_channels_is_the_centre(tmp_path):
    assert strongest_hertz(voice_of(write_media(tmp_path / "a.mp4", tones("5.1"), "5.1"))) == 300


def test_the_voice_of_two_channels_is_their_mean(tmp_path):
    opposite = np.stack([tone(200) + tone(500), tone(200) - tone(500)], axis=1)
    voice = voice_of(write_media(tmp_path / "a.mp4", opposite, "stereo")).numpy()
    assert np.abs(voice[12000:36000] - tone(200)[12000:36000]).max() < 0.03


@pytest.mark.parametrize("name", OTHERS)
def test_other_containers_are_read_too(tmp_path, name):
    voice = voice_of(write_media(tmp_path / name, tones("stereo"), "stereo", OTHERS[name]))
    assert len(voice) / 48000 == pytest.approx(1.0, abs=0.05)


def test_lossless_sound_is_what_was_written(tmp_path):
    samples = tones("stereo")
    track = load_track(write_media(tmp_path / "a.mov", samples, "stereo", "pcm_f32le"))
    assert np.array_equal(track.samples.numpy(), samples.astype(np.float32))


@needs_speech
def test_speech_in_the_centre_comes_out_of_noise_around_it(tmp_path):
    speech = real_speech()
    mix = 0.2 * np.random.default_rng(0).standard_normal((len(speech), 6))
    mix[:, 2] = speech
    voice = voice_of(write_media(tmp_path / "a.mp4", mix, "5.1")).numpy()[: len(speech)]
    error = voice[:48000] - speech[:48000]
    assert 10 * np.log10((speech[:48000] ** 2).mean() / (error**2).mean()) > 15
    averaged = mix.mean(axis=1)[:48000] - speech[:48000]
    assert 10 * np.log10((speech[:48000] ** 2).mean() / (averaged**2).mean()) < 3


def real_speech() -> np.ndarray:
    """Two seconds of a reader, at 48 kHz."""
    path = min(REAL.rglob("*.flac"))
    return resample_poly(soundfile.read(path)[0][16000:48000], 3, 1)


def test_a_clip_that_is_too_long_is_refused(tmp_path):
    path = write_media(tmp_path / "a.mp4", tones("mono"), "mono")
    assert len(voice_of(path, max_seconds=1.1)) > 47000
    with pytest.raises(AudioError, match="a.mp4: 1.00 s long, expected at most 0.5 s"):
        load_audio(path, max_seconds=0.5)


def test_a_file_without_sound_is_refused_by_name(tmp_path):
    with pytest.raises(AudioError, match="film.mp4: contains no sound"):
        load_audio(write_silent_film(tmp_path / "film.mp4"))


@pytest.mark.parametrize("content, found", [(b"", "0 bytes"), (b"not a film at all" * 99, "cannot be read as audio")])
def test_a_file_that_is_not_a_video_is_refused_by_name(tmp_path, content, found):
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(AudioError, match=f"bad.mp4: {found}"):
        load_audio(tmp_path / "bad.mp4")


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(AudioError, match="none.mp4: no such file"):
        load_audio(tmp_path / "none.mp4")
    with pytest.raises(AudioError, match="a folder"):
        load_audio(tmp_path)


@pytest.mark.parametrize("name", ["a.mp4", *OTHERS])
@pytest.mark.parametrize("flags", [{}, {"movflags": "faststart"}], ids=["index last", "index first"])
def test_a_truncated_file_is_refused_by_name(tmp_path, name, flags):
    samples = np.concatenate([tones("stereo")] * 3)
    path = write_media(tmp_path / name, samples, "stereo", OTHERS.get(name, "aac"), flags)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=f"{name}: (truncated|cannot be read as audio)"):
        load_audio(path)


def test_a_whole_stream_without_a_header_is_not_called_truncated(tmp_path):
    samples = np.concatenate([tone(300), np.zeros(96000), 0.1 * np.random.default_rng(0).standard_normal(48000)])
    voice = voice_of(write_media(tmp_path / "a.aac", samples[:, None], "mono"))
    assert len(voice) / 48000 == pytest.approx(4.0, abs=0.1)


def test_a_playlist_under_a_films_name_reaches_no_other_file(tmp_path):
    write_media(tmp_path / "secret.mp4", tones("mono"), "mono")
    listed = {"hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n"}
    listed["concat.mp4"] = "ffconcat version 1.0\nfile secret.mp4\n"
    for name, text in listed.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(AudioError, match=name):
            load_audio(tmp_path / name)


def test_ffmpeg_would_have_followed_that_playlist(tmp_path):
    write_media(tmp_path / "secret.mp4", tones("mono"), "mono")
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile secret.mp4\n")
    with av.open(str(tmp_path / "concat.mp4")) as container:
        assert container.streams.audio


def test_a_video_is_loaded_like_any_clip(tmp_path):
    path = write_media(tmp_path / "a.MP4", np.stack([tone(300, 0.5), tone(300, 0.5)], axis=1), "stereo")
    wave = load_audio(path)
    assert abs(len(wave) / 16000 - seconds_of(path)) < 0.05 and seconds_of(path) == pytest.approx(0.5, abs=0.05)
    part = load_audio(path, 0.1, 0.3)
    assert len(part) == 3200 and torch.allclose(part[200:-200], wave[1800 : 1600 + 3200 - 200], atol=0.02)
    header = read_header(path)
    assert (header.sample_rate, header.channels) == (48000, 2)
    with pytest.raises(AudioError, match="0.1 s"):
        load_audio(path, max_seconds=0.1)
    with pytest.raises(AudioError, match="segment 0.4 to 9 s"):
        load_audio(path, 0.4, 9.0)


def test_a_stream_that_states_no_length_is_counted(tmp_path):
    path = write_media(tmp_path / "a.aac", tone(300, 0.5)[:, None], "mono")
    assert read_header(path).seconds == pytest.approx(0.5, abs=0.05)


def test_a_manifest_may_name_videos(tmp_path):
    write_media(tmp_path / "a.mp4", np.stack([tone(300, 0.5), tone(300, 0.5)], axis=1), "stereo")
    write_manifest(tmp_path / "train.jsonl", [Utterance("a", "a.mp4", transcript="hm")])
    (item,) = dataset(tmp_path / "train.jsonl")
    assert item["wav"].shape[0] > 7000
    found = check([tmp_path / "train.jsonl"], workers=1)
    assert "several channels" in {finding.kind for finding in found.findings}
    assert not {"missing", "unreadable"} & {finding.kind for finding in found.findings}
