"""Videos become FLAC files once, whole or not at all."""

import os

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.extraction import Extraction, Film, extract_voice
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import AudioError
from tests.data.media import write_media


@pytest.fixture
def video(tmp_path):
    """A second whose centre has 300 Hz."""
    samples = np.zeros((48000, 6))
    samples[:, 2] = 0.3 * np.sin(2 * np.pi * 300 * np.arange(48000) / 48000)
    return write_media(tmp_path / "a.mp4", samples, "5.1")


def test_the_centre_is_written_as_16_khz_mono(video, tmp_path):
    extract_voice(video, tmp_path / "audio" / "a.flac")
    wave, rate = soundfile.read(tmp_path / "audio" / "a.flac")
    assert (rate, wave.ndim) == (16000, 1)
    assert 2 * int(np.abs(np.fft.rfft(wave[4000:12000])).argmax()) == 300


def test_cpu_time_is_reported_if_any_was_used(video, tmp_path):
    assert extract_voice(video, tmp_path / "a.flac").cpu_seconds > 0
    assert extract_voice(video, tmp_path / "a.flac").cpu_seconds is None


def test_another_video_of_the_same_name_is_decoded_again_regardless_of_its_time(video, tmp_path):
    first = extract_voice(video, tmp_path / "a.flac")
    write_media(video, np.zeros((96000, 1)), "mono")
    os.utime(video, ns=(10**18, 10**18))  # as an archive sets it
    again = extract_voice(video, tmp_path / "a.flac")
    assert again.cpu_seconds is not None and again.seconds > first.seconds + 0.9
    assert soundfile.info(tmp_path / "a.flac").frames / 16000 == again.seconds


def test_the_same_video_fetched_again_is_not_decoded_again(video, tmp_path):
    extract_voice(video, tmp_path / "a.flac")
    os.utime(video, ns=(2**62, 2**62))
    assert extract_voice(video, tmp_path / "a.flac").cpu_seconds is None


def test_half_a_flac_is_made_again(video, tmp_path):
    seconds = extract_voice(video, tmp_path / "a.flac").seconds
    (tmp_path / "a.flac").write_bytes(b"")
    assert extract_voice(video, tmp_path / "a.flac").seconds == seconds
    assert soundfile.info(tmp_path / "a.flac").frames == seconds * 16000


def test_speech_is_kept_if_its_video_is_gone(video, tmp_path):
    seconds = extract_voice(video, tmp_path / "a.flac").seconds
    video.unlink()
    assert extract_voice(video, tmp_path / "a.flac") == (seconds, None)


def test_a_broken_video_leaves_nothing_behind(tmp_path):
    (tmp_path / "b.mp4").write_bytes(b"broken" * 99)
    with pytest.raises(AudioError, match="b.mp4"):
        extract_voice(tmp_path / "b.mp4", tmp_path / "audio" / "b.flac")
    assert not (tmp_path / "audio").exists()


def test_a_kill_while_writing_leaves_no_flac(video, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        extract_voice(video, tmp_path / "a.flac")
    monkeypatch.undo()
    assert not (tmp_path / "a.flac").exists()
    assert extract_voice(video, tmp_path / "a.flac").cpu_seconds > 0


def test_samples_beyond_full_scale_are_clipped_and_do_not_wrap(tmp_path):
    loud = write_media(tmp_path / "a.mov", np.full((4800, 1), 1.5), "mono", "pcm_f32le")
    extract_voice(loud, tmp_path / "a.flac")
    assert soundfile.read(tmp_path / "a.flac")[0].min() > 0.9


@pytest.mark.slow
def test_many_processes_give_the_clips_in_order_and_faults_in_their_places(video, tmp_path, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # a worker of tests counts one core
    films = [Film(Utterance(str(n), str(tmp_path / f"{n}.flac")), video) for n in range(6)]
    films[3] = films[3]._replace(video=tmp_path / "missing.mp4")
    found = list(Extraction(films, max_seconds=None))
    assert [clip.id for clip in found] == list("012345")
    assert [getattr(clip, "fault", False) for clip in found] == [False, False, False, True, False, False]
