"""Which clips a command line names."""

import io
import os

import pytest
import soundfile
import torch

from speechbrain_xser.data.formats import kind_of
from speechbrain_xser.explaining.clip_sources import find_clips
from tests.data.media import write_media

TONE = 0.1 * torch.sin(2 * torch.pi * 200 * torch.arange(48000) / 48000)[:, None].numpy()


def named(sources, folder, text: bytes = b"") -> list[str]:
    return [clip.name for clip in find_clips(sources, io.BytesIO(text), folder)]


def test_files_stay_in_their_order_and_folders_are_searched_below(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/b.FLAC", "in/deep/a.webm", "in/notes.txt", "in/.hidden.wav"):
        (tmp_path / name).touch()
    found = named(["z.wav", str(tmp_path / "in"), "a.wav"], tmp_path)
    assert found == ["z.wav", str(tmp_path / "in" / "b.FLAC"), str(tmp_path / "in" / "deep" / "a.webm"), "a.wav"]


@pytest.mark.parametrize("text", [b"a b.wav\n\nc.wav", b"a b.wav\r\nc.wav\r\n", b"a b.wav\0c.wav\0"])
def test_paths_come_a_line_each_or_ended_by_nul(tmp_path, text):
    assert named(["-"], tmp_path, text) == ["a b.wav", "c.wav"]


def test_a_path_may_be_of_any_bytes(tmp_path):
    [clip] = find_clips(["-"], io.BytesIO(b"caf\xe9.wav\n"), tmp_path)
    assert os.fsencode(clip.path) == b"caf\xe9.wav" and clip.name == "caf\\xe9.wav"


@pytest.mark.parametrize(
    ("text", "told"), [(b"", "is empty"), (b"\n \n"[:1], "is empty"), (b"PK\x03\x04\x14", "neither")]
)
def test_an_unusable_standard_input_is_a_fault(tmp_path, text, told):
    [clip] = find_clips(["-"], io.BytesIO(text), tmp_path)
    assert told in clip.fault and "expected paths, one per line" in clip.fault


def test_an_empty_folder_is_a_fault_and_does_not_stop_the_rest(tmp_path):
    (tmp_path / "none").mkdir()
    first, second = find_clips([str(tmp_path / "none"), "a.wav"], io.BytesIO(), tmp_path)
    assert "No clip in" in first.fault and second.fault is None


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_a_sound_file_is_known_by_how_it_begins(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, TONE, 48000, **({"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}))
    [clip] = find_clips(["-"], io.BytesIO(path.read_bytes()), tmp_path)
    assert clip.name == "-" and kind_of(path.read_bytes()).suffix == (".ogg" if suffix == ".opus" else suffix)
    assert open(clip.path, "rb").read() == path.read_bytes()


@pytest.mark.parametrize(("name", "codec", "suffix"), [("a.m4a", "aac", ".mp4"), ("a.webm", "libopus", ".webm")])
def test_a_film_is_known_by_how_it_begins(tmp_path, name, codec, suffix):
    write_media(tmp_path / name, TONE, "mono", codec)
    assert kind_of((tmp_path / name).read_bytes()[:64]).suffix == suffix


def test_raw_aac_is_not_taken_for_mp3(tmp_path):
    write_media(tmp_path / "a.aac", TONE, "mono", "aac")
    assert kind_of((tmp_path / "a.aac").read_bytes()[:64]).suffix == ".aac"


@pytest.mark.parametrize("name", ["ID3_song.wav", "OggS.wav", "RF64.wav", "\u00e9l\u00e8ftyp.wav"])
def test_a_name_that_looks_like_a_sound_header_is_a_name(tmp_path, name):
    assert named(["-"], tmp_path, f"{name}\n".encode()) == [name]


def test_a_closed_standard_input_is_a_fault_only_if_it_is_read(tmp_path):
    assert [clip.name for clip in find_clips(["a.wav"], None, tmp_path)] == ["a.wav"]
    [clip] = find_clips(["-"], None, tmp_path)
    assert "standard input is closed" in clip.fault
