"""What is fetched from an address: whole and unchanged, or refused within bounds of bytes, time and redirects."""

import threading
import time

import pytest

from speechbrain_xser.data.addresses import _redirected
from speechbrain_xser.data.remote import Limits, fetch, fetched
from speechbrain_xser.errors import AudioError
from tests.local_server import local_server, send

SOUND = bytes(range(256)) * 2000
QUICK = Limits(bytes=1 << 20, stalled_seconds=0.5, seconds=2.0, redirects=2)
PATIENCE = 20.0  # seconds, in which everything here is long over; nothing is timed more exactly


def whole(request):
    send(request, SOUND, Content_Type="audio/wav")


def without_a_length(request):
    send(request, SOUND, Content_Length=None)


def in_chunks(request):
    request.protocol_version = "HTTP/1.1"
    send(request, Content_Length=None, Transfer_Encoding="chunked")
    for begin in range(0, len(SOUND), 100_000):
        part = SOUND[begin : begin + 100_000]
        request.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    request.wfile.write(b"0\r\n\r\n")
    request.close_connection = True


def endless(request):
    send(request, Content_Length=None)
    while True:
        request.wfile.write(bytes(1 << 16))


def large(request):
    send(request, SOUND, Content_Length=1 << 21)


def broken_off(request):
    send(request, SOUND[:-1], Content_Length=len(SOUND))


def broken_chunk(request):
    request.protocol_version = "HTTP/1.1"
    send(request, Content_Length=None, Transfer_Encoding="chunked")
    request.wfile.write(b"fff\r\nhalf")
    request.close_connection = True


def silent(request):
    time.sleep(PATIENCE)


def stalled(request):
    send(request, SOUND, Content_Length=2 * len(SOUND))
    request.wfile.flush()
    time.sleep(PATIENCE)


def dripping(request):
    send(request, Content_Length=1000)
    while True:
        request.wfile.write(b"x")
        time.sleep(0.05)


def dripping_header(request):
    request.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    while True:
        request.wfile.write(b"x")
        time.sleep(0.05)


def missing(request):
    send(request, b"gone", 404)


def page(request):
    send(request, b"<html>", Content_Type="text/html; charset=utf-8")


def no_http(request):
    request.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")


def round_and_round(request):
    send(request, code=302, Location=request.path + "x")


def to_a_file(request):
    send(request, code=301, Location="file:///etc/hostname")


def endless_redirect(request):
    send(request, code=302, Location="/", Content_Length=None)
    while True:
        request.wfile.write(bytes(1 << 16))


@pytest.mark.parametrize("answer", [whole, without_a_length, in_chunks], ids=lambda answer: answer.__name__)
def test_what_is_at_an_address_arrives_byte_for_byte_and_is_gone_afterwards(answer):
    with local_server(answer) as server, fetched(f"{server.address}/a.wav") as path:
        with open(path, "rb") as file:
            assert file.read() == SOUND
    with pytest.raises(FileNotFoundError):
        open(path, "rb")


def test_an_address_is_asked_for_as_it_is_written_and_signs_outside_ascii_are_escaped(tmp_path):
    with local_server(whole) as server:
        fetch(f"{server.address}/na\u00efve%20one two.wav?key=a%2Fb&c=d", tmp_path / "a")
    assert server.asked == ["GET /na%C3%AFve%20one%20two.wav?key=a%2Fb&c=d"]


def test_redirects_are_followed_up_to_their_number(tmp_path):
    def answer(request):
        left = int(request.path[1:])
        whole(request) if left == 0 else send(request, b"moved", 302 + 5 * (left % 2), Location=f"{left - 1}")

    with local_server(answer) as server:
        fetch(f"{server.address}/2", tmp_path / "a", QUICK)
        assert (tmp_path / "a").read_bytes() == SOUND and server.asked == ["GET /2", "GET /1", "GET /0"]
        with pytest.raises(AudioError, match="/3: more than 2 redirects"):
            fetch(f"{server.address}/3", tmp_path / "b", QUICK)


REFUSED = {
    endless: "more than 1048576 bytes",
    large: "more than 1048576 bytes",
    broken_off: "511999 of 512000 bytes arrived",
    broken_chunk: "cannot be fetched .IncompleteRead",
    silent: "nothing arrived for 0.5 s",
    stalled: "nothing arrived for 0.5 s",
    dripping: "not complete after 2 s",
    dripping_header: "nothing arrived for 0.5 s",
    missing: "the server answers 404 Not Found",
    page: "is a web page, expected a sound file",
    no_http: "cannot be fetched .SSH-2.0",
    round_and_round: "more than 2 redirects",
    to_a_file: "only http and https",
    endless_redirect: "more than 2 redirects",
}


@pytest.mark.parametrize("answer", REFUSED, ids=lambda answer: answer.__name__)
def test_what_does_not_arrive_whole_is_refused_with_its_cause_and_leaves_nothing(answer, tmp_path):
    began = time.monotonic()
    with local_server(answer) as server, pytest.raises(AudioError, match=REFUSED[answer]) as caught:
        fetch(f"{server.address}/a.wav?key=secret", tmp_path / "a", QUICK)
    assert time.monotonic() - began < PATIENCE / 2
    assert str(caught.value).startswith(f"{server.address}/a.wav: ") and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_length_beyond_the_limit_is_refused_before_a_byte_of_it_is_taken(tmp_path):
    def answer(request):
        send(request, Content_Length=1 << 21)
        time.sleep(PATIENCE)

    with local_server(answer) as server, pytest.raises(AudioError, match="more than 1048576 bytes"):
        fetch(f"{server.address}/a.wav", tmp_path / "a", QUICK)


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1/a.wav", "file:///etc/hostname", "data://text/plain,a", "http://", "http://[", "http://127.0.0.1:port/"]
)
def test_what_is_no_address_of_the_web_is_an_audio_error(address, tmp_path):
    with pytest.raises(AudioError, match="only http and https|cannot be fetched"):
        fetch(address, tmp_path / "a", QUICK)


def test_a_server_that_is_not_there_is_an_audio_error_without_the_password(tmp_path):
    with local_server(whole) as server:
        gone = server.address.replace("http://", "http://me:secret@")
    with pytest.raises(AudioError) as caught:
        fetch(f"{gone}/a.wav", tmp_path / "a", QUICK)
    assert "secret" not in str(caught.value)


def test_a_password_is_sent_to_its_own_host_alone(tmp_path):
    sent = []

    def answer(request):
        sent.append(request.headers.get("Authorization"))
        whole(request) if request.path == "/b" else send(request, code=302, Location=f"{server.address}/b")

    with local_server(answer) as server:
        fetch(server.address.replace("http://", "http://me:a%3Ab@") + "/a", tmp_path / "a", QUICK)
    assert sent == ["Basic bWU6YTpi", None]  # me:a:b


def test_a_redirect_does_not_leave_https():
    assert _redirected("https://a.example/b", "/c", "it") == "https://a.example/c"
    with pytest.raises(AudioError, match="it: is redirected from https to http"):
        _redirected("https://a.example/b", "http://a.example/c", "it")


@pytest.mark.parametrize("password", ["pa/ss", "1/ss", "pa?ss", "1?s", "pa#ss"])
def test_a_password_with_a_sign_that_ends_it_is_not_shown(password, tmp_path):
    with pytest.raises(AudioError, match="%2F, %3F and %23") as error:
        fetch(f"https://me:{password}@a.example/x.wav", tmp_path / "a", QUICK)
    assert password not in str(error.value) and "https://a.example/x.wav" in str(error.value)


def test_a_header_that_comes_too_late_writes_nothing(tmp_path):
    late, before = threading.Event(), set(threading.enumerate())

    def answer(request):
        late.wait(30)
        send(request, b"RIFF" * 100)

    with local_server(answer) as server:
        with pytest.raises(AudioError, match="nothing arrived"):
            fetch(f"{server.address}/a.wav", tmp_path / "a", QUICK)
        (tmp_path / "a").write_bytes(b"kept")
        late.set()
        for thread in set(threading.enumerate()) - before:
            if type(thread).__name__ == "_Transfer":
                thread.join(PATIENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"kept"
