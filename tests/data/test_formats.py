"""Sound is read by its content: every suffix of the list, through files, archives, pipes and folders."""

import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch

from speechbrain_xser.data.audio import load_audio, seconds_of
from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.formats import SUFFIXES, kind_of
from speechbrain_xser.data.member import Member
from speechbrain_xser.errors import AudioError
from speechbrain_xser.explaining.clip_sources import find_clips
from speechbrain_xser.timeline.recording import Recording
from tests.data.media import write_media
from tests.genuine import DATA

RATE = 16000
TONE = 0.3 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
AIFF, AU = {"format": "AIFF"}, {"format": "AU"}
WRITTEN = {
    **{".wav": {}, ".flac": {}, ".ogg": {}, ".mp3": {}, ".aiff": {}, ".aif": AIFF, ".caf": {}, ".au": {}, ".snd": AU},
    **{".aifc": AIFF | {"subtype": "ULAW"}, ".w64": {}, ".rf64": {"format": "RF64"}, ".voc": {}},
    **{".oga": {"format": "OGG"}, ".opus": {"format": "OGG", "subtype": "OPUS"}, ".sph": {"format": "NIST"}},
}
ENCODED = {
    **dict.fromkeys((".m4a", ".mp4", ".m4v", ".mov", ".aac", ".mka", ".mkv"), ("aac", None)),
    **{".m4b": ("aac", "mp4"), ".3gp": ("aac", "3gp"), ".3g2": ("aac", "3g2"), ".avi": ("mp3", None)},
    **{".webm": ("libopus", None), ".weba": ("libopus", "webm")},
}
ODD = DATA / "odd_audio"
needs_odd = pytest.mark.skipif(not ODD.is_dir(), reason="odd_audio is not here: set XSER_DATA to its folder's parent")


def written(folder: Path, suffix: str) -> Path:
    """A second of a tone in the usual format of a suffix, under a name without that suffix."""
    path = folder / "sound"
    if suffix in WRITTEN:
        with open(path, "wb") as file:
            soundfile.write(file, TONE, RATE, **({"format": suffix[1:].upper()} | WRITTEN[suffix]))
    elif suffix == ".amr":
        with av.open(str(ODD / "phone.3gp")) as phone:
            path.write_bytes(b"#!AMR\n" + b"".join(bytes(packet) for packet in phone.demux() if packet.size))
    else:
        codec, muxer = ENCODED[suffix]
        write_media(folder / f"a.{muxer or suffix[1:]}", np.repeat(TONE, 3)[:, None], "mono", codec).rename(path)
    return path


@needs_odd
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_of_the_list_is_read_whatever_the_name(tmp_path, suffix):
    path = written(tmp_path, suffix)
    seconds = 2.58 if suffix == ".amr" else 1.0
    assert len(load_audio(path)) / RATE == pytest.approx(seconds, abs=0.11)
    assert seconds_of(path) == pytest.approx(seconds, abs=0.11)


@needs_odd
@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".weba", ".mp3", ".amr", ".aiff"])
def test_archive_pipe_and_standard_input_give_what_the_file_gives(tmp_path, suffix):
    path = written(tmp_path, suffix)
    wanted = load_audio(path)
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(path, "clip")
    with tarfile.open(tmp_path / "a.tar") as tar:
        place = tar.getmember("clip").offset_data
    assert torch.equal(load_audio(Member(str(tmp_path / "a.tar"), place, path.stat().st_size).address), wanted)
    assert torch.equal(load_audio(fifo(tmp_path / "one", path)), wanted)
    recording = Recording(fifo(tmp_path / "two", path))
    assert (torch.cat(list(recording.blocks())) - wanted).abs().max() < 1e-5
    with open(path, "rb") as stream:
        clips = list(find_clips(["-", str(fifo(tmp_path / "three", path))], stream, tmp_path))
    assert [clip.name for clip in clips] == ["-", str(tmp_path / "three")]
    assert all(torch.equal(load_audio(clip.path), wanted) for clip in clips)


def fifo(place: Path, path: Path) -> Path:
    """A named pipe into which a file is written once."""
    os.mkfifo(place)
    threading.Thread(target=lambda: place.write_bytes(path.read_bytes()), daemon=True).start()
    return place


def test_a_pipe_without_sound_is_named_as_the_user_named_it(tmp_path):
    (tmp_path / "text").write_text("no sound at all\n" * 99)
    with pytest.raises(AudioError, match=f"^{tmp_path / 'pipe'}: cannot be read as audio"):
        load_audio(fifo(tmp_path / "pipe", tmp_path / "text"))


@needs_odd
@pytest.mark.parametrize("first, second", [("telegram.oga", "telegram.oga"), ("telegram.oga", "other")])
def test_chained_ogg_is_read_to_the_end_of_its_last_link(tmp_path, first, second):
    soundfile.write(tmp_path / "other", soundfile.read(ODD / "base.wav")[0], RATE, format="OGG", subtype="OPUS")
    parts = [path if (path := tmp_path / name).exists() else ODD / name for name in (first, second)]
    (tmp_path / "chain.ogg").write_bytes(b"".join(path.read_bytes() for path in parts))
    alone, other = (load_audio(path, keep_offset=True) for path in parts)
    found = load_audio(tmp_path / "chain.ogg", keep_offset=True)
    assert abs(len(found) - len(alone) - len(other)) < 0.02 * RATE  # libsndfile gives the first link alone
    levels = [wave[-RATE:].square().unfold(0, 800, 800).mean(1) for wave in (found, other)]
    assert torch.corrcoef(torch.stack(levels))[0, 1] > 0.95


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".m4a"])
def test_a_file_appended_to_another_is_reported_if_the_decoder_stops_before_it(tmp_path, suffix, caplog):
    path = written(tmp_path, suffix)
    first, alone = path.read_bytes(), load_audio(path)
    assert "another file starts" not in caplog.text
    path.write_bytes(first + first)
    assert torch.equal(load_audio(path), alone)
    assert f"{path}: another file starts at byte {len(first)} and is not read." in caplog.text


@pytest.mark.parametrize("suffix", [".aiff", ".aifc", ".caf", ".w64", ".rf64", ".au", ".oga", ".mp3", ".m4a"])
def test_half_of_a_file_is_refused_and_a_recording_says_so(tmp_path, suffix):
    path = written(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=f"{path.name}: (truncated|cannot be read)"):
        load_audio(path)


@pytest.mark.parametrize("promised", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFD3, 0xFFFFFFFE, 0xFFFFFFFF])
@pytest.mark.parametrize("whole", ["right", 0, 0x80000024, 0xFFFFFFFF])
def test_a_wav_of_an_impossible_size_is_read_to_its_end(tmp_path, promised, whole):
    samples = np.rint(9830 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = promised.to_bytes(4, "little")
    if whole != "right":
        content[4:8] = whole.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    assert np.array_equal(32768 * load_audio(tmp_path / "a.wav").numpy(), samples)
    assert torch.equal(load_audio(tmp_path / "a.wav", 0.25, 0.5), load_audio(tmp_path / "a.wav")[4000:8000])


def test_folders_follow_a_link_once_and_never_in_circles(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("in/a.wav", "in/deep/b.oga", "elsewhere/c.WEBA"):
        (tmp_path / name).touch()
    (tmp_path / "in" / "deep" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "one").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "two").symlink_to(tmp_path / "elsewhere")
    found = [str(path.relative_to(tmp_path / "in")) for path in find_audio_below(tmp_path / "in")]
    assert found == ["a.wav", "deep/b.oga", "one/c.WEBA"]


def test_a_pipe_in_a_folder_is_skipped_with_a_warning(tmp_path, caplog):
    os.mkfifo(tmp_path / "waiting.wav")
    (tmp_path / "a.wav").touch()
    assert [path.name for path in find_audio_below(tmp_path)] == ["a.wav"] and "waiting.wav: a pipe" in caplog.text


def test_a_playlist_is_never_read_as_sound(tmp_path):
    soundfile.write(tmp_path / "secret.wav", TONE, RATE)
    lists = [
        "#EXTM3U\nsecret.wav\n",
        "ffconcat version 1.0\nfile secret.wav\n",
        f"v=0\nc=IN IP4 {tmp_path}/secret.wav\n",
    ]
    for number, text in enumerate(lists):
        path = tmp_path / f"{number}.mp3"
        path.write_text(text)
        for way in (path, fifo(tmp_path / f"pipe-{number}", path)):
            with pytest.raises(AudioError, match="cannot be read as audio"):
                load_audio(way)


def test_the_list_of_formats_needs_no_torch():
    code = "import sys; from speechbrain_xser.data import audio_files; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix not in (".amr", ".aac")])
def test_a_sound_file_is_known_by_its_first_bytes(tmp_path, suffix):
    assert kind_of(written(tmp_path, suffix).read_bytes()[:64]) is not None
