"""A sound file however it is handed over: by its path, its address, its bytes, or open."""

import io
import os

import pytest
import soundfile

from speechbrain_xser.data.sound_source import sound_file
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.errors import AudioError
from tests.local_server import local_server, send


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.flac"
    soundfile.write(path, speak(plan("test", 3, seed=1)), SAMPLE_RATE)
    return path


def content(source) -> bytes:
    with sound_file(source) as path, open(path, "rb") as file:
        return file.read()


def test_every_way_to_hand_a_file_over_gives_its_bytes(clip):
    found = clip.read_bytes()
    in_memory = [found, bytearray(found), memoryview(found), io.BytesIO(found)]
    with local_server(lambda request: send(request, found)) as server, open(clip, "rb") as file:
        sources = [clip, str(clip), *in_memory, file, f"{server.address}/clip.flac"]
        assert [content(source) == found for source in sources] == [True] * len(sources)


def test_an_open_file_is_read_from_where_it_stands_and_stays_open(clip):
    file = io.BytesIO(b"head" + clip.read_bytes())
    file.seek(4)
    assert content(file) == clip.read_bytes() and not file.closed


def test_the_copy_is_gone_afterwards(clip):
    with sound_file(clip.read_bytes()) as path:
        assert os.path.exists(path)
    assert not os.path.exists(path)


def test_an_open_file_may_have_as_many_bytes_as_are_allowed_and_no_more():
    with sound_file(io.BytesIO(bytes(1000)), most=1000) as path:
        assert os.path.getsize(path) == 1000
    with pytest.raises(AudioError, match="the open file: more than 1000 bytes"):
        with sound_file(io.BytesIO(bytes(1001)), most=1000):
            pass


def test_an_open_file_without_an_end_is_refused():
    with open("/dev/zero", "rb") as zeros, pytest.raises(AudioError, match="/dev/zero: more than 1000000 bytes"):
        with sound_file(zeros, most=1_000_000):
            pass


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (io.StringIO("RIFF"), "the open file: cannot be read"),
        (123, "path is int; expected a path"),
        (None, "path is NoneType"),
        ([0.0], "path is list.*Pass samples to explain_batch"),
    ],
)
def test_what_is_no_file_is_an_audio_error(source, told):
    with pytest.raises(AudioError, match=told), sound_file(source):
        pass


def test_a_closed_file_is_an_audio_error(clip):
    with open(clip, "rb") as file:
        pass
    with pytest.raises(AudioError, match=r"clip\.flac: cannot be read .*closed"), sound_file(file):
        pass


def test_the_recogniser_explains_a_file_the_same_however_it_is_handed_over(packaged, clip):
    expected = packaged.explain_file(clip)
    with local_server(lambda request: send(request, clip.read_bytes())) as server, open(clip, "rb") as file:
        for source in (clip.read_bytes(), file, f"{server.address}/clip.flac"):
            assert packaged.explain_file(source) == expected


def test_errors_name_what_was_handed_over(packaged, tmp_path):
    with local_server(lambda request: send(request, b"no sound")) as server:
        with pytest.raises(AudioError, match=f"^{server.address}/a.wav: cannot be read as audio"):
            packaged.explain_file(f"{server.address}/a.wav?key=secret")
    with pytest.raises(AudioError, match="^the bytes: cannot be read as audio"):
        packaged.explain_file(b"no sound")


def test_bytes_are_bounded_in_seconds_as_a_file_is(packaged):
    file = io.BytesIO()
    soundfile.write(file, [0.0] * 8000 * 60, 8000, format="FLAC")
    with pytest.raises(AudioError, match="the bytes: 60.00 s long, expected at most"):
        packaged.explain_file(file.getvalue())
