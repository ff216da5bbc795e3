"""Edge cases of audio files: which are read, and which are refused by name."""

import os
from contextlib import suppress

import numpy
import pytest
import soundfile
import torch

from speechbrain_xser.data.audio import load_audio, read_header, seconds_of
from speechbrain_xser.data.waveform import check_wave
from speechbrain_xser.errors import AudioError

RATE = 16000


def tone(seconds=1.0, rate=RATE, hertz=440.0):
    return 0.5 * numpy.sin(2 * numpy.pi * hertz * numpy.arange(round(seconds * rate)) / rate).astype("float32")


def written(folder, samples, rate=RATE, name="clip.wav", **format):
    soundfile.write(folder / name, samples, rate, **format)
    return folder / name


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_a_float_file_comes_back_sample_by_sample(tmp_path):
    samples = tone()
    assert torch.equal(load_audio(written(tmp_path, samples, subtype="FLOAT")), torch.from_numpy(samples))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AudioError, match="gone.wav: no such file"):
        load_audio(tmp_path / "gone.wav")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(AudioError, match="a folder, expected an audio file"):
        load_audio(tmp_path)


def test_a_file_of_zero_bytes_is_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match="empty.wav: 0 bytes"):
        load_audio(tmp_path / "empty.wav")


def test_a_header_without_samples_is_refused(tmp_path):
    with pytest.raises(AudioError, match="clip.wav: no samples"):
        load_audio(written(tmp_path, numpy.zeros(0, "float32")))


def test_a_text_named_wav_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("This is no audio at all.\n" * 100)
    with pytest.raises(AudioError, match="text.wav: cannot be read as audio"):
        load_audio(tmp_path / "text.wav")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_wav_is_refused(tmp_path, share):
    with pytest.raises(AudioError, match="clip.wav: truncated; its header states [0-9]+ more bytes"):
        load_audio(cut(written(tmp_path, tone()), share))


def test_a_truncated_wav_is_refused_even_for_a_segment_that_is_there(tmp_path):
    with pytest.raises(AudioError, match="truncated"):
        load_audio(cut(written(tmp_path, tone()), 0.9), start=0.0, stop=0.1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_flac_is_refused(tmp_path, share):
    noise = numpy.random.default_rng(0).normal(0, 0.1, RATE)
    with pytest.raises(AudioError, match="clip.flac: .*truncated"):
        load_audio(cut(written(tmp_path, noise, name="clip.flac"), share))


@pytest.mark.parametrize("subtype", ["OPUS", "VORBIS"])
@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_an_ogg_file_is_read_only_if_it_is_whole(tmp_path, subtype, share):
    path = cut(written(tmp_path, tone(3), name="clip.ogg", format="OGG", subtype=subtype), share)
    if share == 1.0:
        assert len(load_audio(path)) == 3 * RATE
        return
    with pytest.raises(AudioError, match="clip.ogg: truncated"):
        load_audio(path)


def test_an_mp3_is_read_and_half_of_one_is_refused(tmp_path):
    path = written(tmp_path, tone(3), name="clip.mp3")
    assert len(load_audio(path)) == pytest.approx(3 * RATE, abs=RATE / 10)
    with pytest.raises(AudioError, match="clip.mp3: truncated"):
        load_audio(cut(path, 0.5))


def test_a_flac_without_a_stated_length_is_refused(tmp_path):
    path = written(tmp_path, tone(), name="clip.flac")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of STREAMINFO's total samples
    content[22:26] = bytes(4)
    path.write_bytes(content)
    for read in (load_audio, seconds_of):
        with pytest.raises(AudioError, match="clip.flac: its header does not state its length"):
            read(path)


def test_samples_without_a_header_are_refused(tmp_path):
    (tmp_path / "clip.RAW").write_bytes(bytes(3200))
    for read in (load_audio, seconds_of):
        with pytest.raises(AudioError, match="clip.RAW: raw samples without a header"):
            read(tmp_path / "clip.RAW")


def test_a_wav_with_chunks_around_its_data_is_whole(tmp_path):
    path = written(tmp_path, tone())
    content = path.read_bytes()
    path.write_bytes(content[:36] + b"junk" + (3).to_bytes(4, "little") + b"abc\0" + content[36:] + b"LIST\4\0\0\0abcd")
    assert len(load_audio(path)) == RATE


def test_a_wav_streamed_without_a_size_is_read(tmp_path):
    path = written(tmp_path, tone())
    content = bytearray(path.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(load_audio(path)) == RATE


@pytest.mark.parametrize("rate", [8000, 11025, 24000, 44100, 48000])
def test_another_rate_is_resampled_and_the_tone_keeps_its_pitch(tmp_path, rate):
    wave = load_audio(written(tmp_path, tone(rate=rate, hertz=440.0), rate))
    assert abs(len(wave) - RATE) <= 1
    assert torch.fft.rfft(wave[:16000], RATE).abs().argmax().item() == 440


def test_a_rate_whose_filter_would_take_gigabytes_is_refused(tmp_path):
    with pytest.raises(AudioError, match="clip.wav: 47999 Hz has no small ratio to 16000 Hz"):
        load_audio(written(tmp_path, tone(rate=47999), 47999))


def test_the_wanted_rate_can_be_another(tmp_path):
    assert len(load_audio(written(tmp_path, tone()), sample_rate=8000)) == 8000


def test_stereo_is_averaged(tmp_path):
    left, right = tone(), tone(hertz=200.0)
    wave = load_audio(written(tmp_path, numpy.stack([left, right], 1), subtype="FLOAT"))
    assert torch.allclose(wave, torch.from_numpy((left + right) / 2), atol=1e-7)


def test_six_channels_are_averaged(tmp_path):
    assert load_audio(written(tmp_path, numpy.stack([tone()] * 6, 1))).shape == (RATE,)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, value):
    samples = tone()
    samples[7] = value
    with pytest.raises(AudioError, match="clip.wav: 1 of 16000 samples are NaN or Inf"):
        load_audio(written(tmp_path, samples, subtype="FLOAT"))


def test_absurd_samples_are_refused(tmp_path):
    samples = tone()
    samples[7] = 1e30
    with pytest.raises(AudioError, match="clip.wav: peak 1e"):
        load_audio(written(tmp_path, samples, subtype="FLOAT"))


def test_a_little_over_full_scale_is_fine(tmp_path):
    assert load_audio(written(tmp_path, 3 * tone(), subtype="FLOAT")).max() > 1.4


def test_silence_is_fine(tmp_path):
    assert load_audio(written(tmp_path, numpy.zeros(RATE))).abs().max() == 0


def test_one_sample_is_fine(tmp_path):
    assert load_audio(written(tmp_path, tone()[:1])).shape == (1,)


def test_a_segment_is_what_the_whole_file_has_there(tmp_path):
    path = written(tmp_path, tone(2.0), name="clip.flac")
    assert torch.equal(load_audio(path, start=0.5, stop=1.25), load_audio(path)[8000:20000])


def test_an_open_end_runs_to_the_files_end(tmp_path):
    path = written(tmp_path, tone(2.0))
    assert torch.equal(load_audio(path, start=1.5), load_audio(path)[24000:])


def test_a_stop_rounded_up_ends_at_the_file(tmp_path):
    assert len(load_audio(written(tmp_path, tone()), start=0.5, stop=1.004)) == 8000


@pytest.mark.parametrize(
    "start, stop", [(0.0, 2.0), (1.5, None), (0.8, 0.2), (-1.0, 0.5), (0.5, 0.5), (float("nan"), 1)]
)
def test_a_segment_outside_the_file_is_refused(tmp_path, start, stop):
    with pytest.raises(AudioError, match="segment .* expected 0 <= start < stop <= 1.000 s"):
        load_audio(written(tmp_path, tone()), start, stop)


def test_a_long_file_is_refused_before_it_is_read(tmp_path):
    with pytest.raises(AudioError, match="clip.wav: 120.00 s long, expected at most 30 s"):
        load_audio(written(tmp_path, numpy.zeros(120 * 8000), 8000), max_seconds=30.0)


def test_a_waveform_must_be_one_row_of_floats():
    for wave in (torch.zeros(2, 10), torch.zeros(10, dtype=torch.int16)):
        with pytest.raises(AudioError, match="expected \\[S\\] floats"):
            check_wave(wave)


def test_a_waveform_without_samples_is_refused():
    with pytest.raises(AudioError, match="no samples"):
        check_wave(torch.zeros(0))


def test_a_waveform_of_two_minutes_is_refused_where_there_is_a_limit():
    wave = torch.zeros(120 * RATE)
    assert check_wave(wave) is wave
    with pytest.raises(AudioError, match="120.00 s long"):
        check_wave(wave, max_seconds=30.0)


def test_a_name_of_any_bytes_can_be_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"x\xff.wav")
    with open(path, "wb") as file:
        soundfile.write(file, numpy.zeros(800), 16000, format="WAV")
    assert load_audio(os.fsdecode(path)).shape == (800,)


def test_a_size_of_64_bits_in_a_header_is_no_place_to_seek_to(tmp_path):
    wave = written(tmp_path, tone(0.1), name="clip.w64", format="W64")
    content = bytearray(wave.read_bytes())
    content[56:64] = b"\xf0" + b"\xff" * 6 + b"\x7f"  # of the chunk before the samples
    wave.write_bytes(bytes(content))
    with pytest.raises(AudioError, match="clip.w64"):
        load_audio(wave)


def test_a_name_never_decides_what_libsndfile_reads(tmp_path, capfd):
    whole = written(tmp_path, tone(), name="whole.mp3", format="MP3").read_bytes()
    path = tmp_path / "clip.mp3"  # libsndfile, by that name, would look for MP3 and tell of it on the error stream
    path.write_bytes(b"caff\x00\x01\x00\x00xesc" + bytes(8) + whole[:3000] + bytes(700) + whole[3000:])
    with suppress(AudioError):
        load_audio(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [b"RIFF", b"FORM", b"RF64", b"caff", b".snd", b"fLaC", b"OggS", b"riff", b"ID3\3"])
@pytest.mark.parametrize("more", range(9))
def test_a_file_torn_within_its_first_bytes_is_an_audio_error(tmp_path, kind, more):
    path = tmp_path / "a.wav"
    path.write_bytes(kind + bytes(more))
    for read in (load_audio, read_header):
        with pytest.raises(AudioError):
            read(path)
