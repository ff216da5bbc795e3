"""Files as streams: the samples of load_audio, and the beginning of a truncated file."""

import av
import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import AudioError
from speechbrain_xser.timeline.recording import Recording
from tests.local_server import local_server, send
from tests.timeline.stub import samples, tones

WAVE = tones(0.5, 3.0, 0.5, 8.0, 0.5, rate=48000)


def written(folder, name, **format):
    soundfile.write(folder / name, np.stack([WAVE, 0.5 * WAVE], 1), 48000, **format)
    return folder / name


def encoded(folder, name, codec):
    with av.open(str(folder / name), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(WAVE[None], format="fltp", layout="mono")
        frame.sample_rate = 48000
        for each in (frame, None):
            container.mux(stream.encode(each))
    return folder / name


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same sound in every format, by suffix."""
    folder = tmp_path_factory.mktemp("files")
    found = {
        "wav": written(folder, "a.wav"),
        "flac": written(folder, "a.flac"),
        "ogg": written(folder, "a.ogg"),
        "opus": written(folder, "a.opus", format="OGG", subtype="OPUS"),
        "mp3": written(folder, "a.mp3"),
    }
    return found | {"m4a": encoded(folder, "a.m4a", "aac"), "webm": encoded(folder, "a.webm", "libopus")}


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "m4a", "webm"])
@pytest.mark.slow
def test_blocks_are_what_the_whole_file_is(files, suffix):
    recording = Recording(files[suffix])
    found, whole = samples(recording), load_audio(files[suffix])
    assert recording.fault is None and len(found) == len(whole) and (found - whole).abs().max() < 1e-5
    assert recording.read_seconds == pytest.approx(12.5, abs=0.1)


@pytest.mark.parametrize("suffix", ["wav", "opus", "m4a"])
def test_a_file_states_its_length_before_it_is_read(files, suffix):
    assert Recording(files[suffix]).seconds == pytest.approx(12.5, abs=0.1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "webm"])
def test_half_a_file_gives_its_samples_and_then_the_error(files, suffix, tmp_path):
    content = files[suffix].read_bytes()
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(content[: len(content) * 6 // 10])
    recording = Recording(half)
    found = samples(recording)
    assert 3.0 < len(found) / 16000 < 11.0 and f"half.{suffix}: " in str(recording.fault)
    difference = found[16000:32000] - load_audio(files[suffix])[16000:32000]
    steps = round(difference.mean().item() * 32768)  # half a file has another mean, which is taken out in such steps
    assert abs(steps) <= 1 and (difference - steps / 32768).abs().max() < 1e-5


def test_half_a_wav_gives_its_last_sample(tmp_path):
    soundfile.write(tmp_path / "a.wav", tones(1.0, 6.0), 16000)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: 44 + 2 * 100_001])
    recording = Recording(tmp_path / "a.wav")
    assert len(samples(recording)) == 100_001 and "its header states 23998 more bytes" in str(recording.fault)


def test_half_an_m4a_has_no_index_and_is_refused_at_once(files, tmp_path):
    (tmp_path / "half.m4a").write_bytes(files["m4a"].read_bytes()[:20000])
    with pytest.raises(AudioError, match="half.m4a: cannot be read as audio"):
        Recording(tmp_path / "half.m4a")


@pytest.mark.parametrize(
    "content, told", [(None, "no such file"), (b"", "0 bytes"), (b"no sound at all" * 99, "cannot be read as audio")]
)
def test_a_file_that_is_not_a_recording_is_refused_at_once(tmp_path, content, told):
    if content is not None:
        (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioError, match=f"bad.wav: {told}"):
        Recording(tmp_path / "bad.wav")


def test_a_header_without_samples_is_a_fault(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    recording = Recording(tmp_path / "a.wav")
    assert len(samples(recording)) == 0 and "a.wav: no samples" in str(recording.fault)


def test_samples_before_a_nan_are_given(tmp_path):
    wave = np.zeros(12 * 16000, "float32")
    wave[11 * 16000] = np.nan
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    recording = Recording(tmp_path / "a.wav")
    assert len(samples(recording)) == 10 * 16000 and "NaN" in str(recording.fault)


def test_no_block_is_longer_than_some_seconds(files):
    for suffix in ("wav", "webm"):
        assert max(len(block) for block in Recording(files[suffix]).blocks()) <= 5.1 * 16000
    assert all(block.dtype == torch.float32 for block in Recording(files["flac"]).blocks())


def test_the_recording_at_an_address_is_read_as_the_file_is_and_named_without_the_query(files):
    with local_server(lambda request: send(request, files["flac"].read_bytes())) as server:
        recording = Recording(f"{server.address}/a.flac?key=secret")
    np.testing.assert_array_equal(samples(recording), samples(Recording(files["flac"])))
    assert recording.path == f"{server.address}/a.flac" and recording.fault is None
    with pytest.raises(AudioError, match=f"^{server.address}/a.flac: cannot be fetched"):  # it is gone
        Recording(f"{server.address}/a.flac")
