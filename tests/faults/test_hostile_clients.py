"""What clients of a server can do to it and to each other, on a real socket of a real process."""

import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import soundfile

from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.web.assembly import CONNECTIONS
from tests.faults.server_process import API, PATIENCE, Served, served
from tests.local_server import local_server, send

pytestmark = pytest.mark.slow
EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, speak(plan("test", 7, seed=1)), SAMPLE_RATE)
    return path


@pytest.fixture(scope="module")
def server(python, tmp_path_factory) -> Served:
    options = ("--max-requests", "4", "--max-megabytes", "1", "--max-seconds", "4", "--allow-host", "speech.example")
    with served(python, tmp_path_factory.mktemp("served"), *options) as running:
        yield running


def until(holds) -> None:
    """Waits for something that happens soon."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def broken_off(server: Served, event: str) -> None:
    """Listens to an answer, and closes the connection at once."""
    with server.client.stream("GET", f"{API}/call/explain/{event}"):
        pass


def files(server: Served) -> list[Path]:
    return [path for path in server.uploads.rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["", "..", "{own}/..", "{own}", "{own}/.", "/etc/passwd", "https://192.0.2.1/a.wav"])
def test_no_path_but_that_of_an_upload_is_taken(server, clip, path):
    [sent] = server.upload(clip).json()
    named = path.format(own=Path(sent).parent) if path.startswith(("{", "/", "http")) else f"{server.uploads}/{path}"
    refused = server.join(named)
    assert refused.status_code == 403 and "your own uploads" in refused.text
    assert Path(sent).is_file()
    Path(sent).unlink()


def test_no_address_is_fetched_whatever_of_a_request_it_stands_in(server, clip):
    """As a file's path, as its name, as the address that Gradio itself would fetch, and as the text in its place."""
    kind = {"meta": {"_type": "gradio.FileData"}}
    with local_server(lambda request: send(request, clip.read_bytes())) as elsewhere:
        address = f"{elsewhere.address}/clip.wav"
        sounds = [address, {"path": address, **kind}, {"url": address, "path": None, **kind}]
        sounds += [{"url": address, **kind}, {"url": address, "path": "clip.wav", "orig_name": address, **kind}]
        for sound in sounds:
            named = isinstance(sound, dict) and sound.get("path")  # Gradio may fetch it where it is public
            for endpoint, data in (("explain", [sound, None]), ("timeline", [sound])):
                asked = server.client.post(f"{API}/call/{endpoint}", json={"data": data})
                refused = asked.status_code == 403 if named else "event: error" in told(server, endpoint, asked)
                assert refused, (endpoint, sound, asked.status_code)
        [sent] = server.upload(clip).json()
        own = {"path": sent, "url": address, "orig_name": address, **kind}
        asked = server.client.post(f"{API}/call/explain", json={"data": [own, None]})
        assert "event: complete" in told(server, "explain", asked)  # only its path counts
        assert elsewhere.asked == []


def told(server: Served, endpoint: str, asked: httpx.Response) -> str:
    """The events of an answer."""
    return server.client.get(f"{API}/call/{endpoint}/{asked.json()['event_id']}").text


def test_another_client_s_upload_cannot_be_used_even_by_its_path(server, clip):
    anna, bert = ({"Cookie": f"xser-owner={digit * 32}"} for digit in "ab")
    [sent] = server.upload(clip, headers=anna).json()
    for headers in (bert, {}):
        assert server.join(sent, headers=headers).status_code == 403
        assert server.client.get(f"{API}/file={sent}", headers=headers).status_code == 404
    assert Path(sent).is_file()
    event = server.join(sent, headers=anna).raise_for_status().json()["event_id"]
    assert server.answer(event)[0] == "complete" and not Path(sent).exists()


def test_what_clients_asked_for_and_left_is_not_computed(server, clip):
    before = server.health()["turns"]
    first = server.join(server.upload(clip).json()[0]).json()["event_id"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.answer, first)
        until(lambda: server.health()["turns"] > before)
        for listens in (True, True, False):
            event = server.join(server.upload(clip).json()[0]).json()["event_id"]
            if listens:
                broken_off(server, event)
        assert answer.result()[0] == "complete"
    assert server.explain(clip)[0] == "complete"
    until(lambda: server.health()["requests"] == 0)
    assert server.health()["turns"] - before == 2
    assert files(server) == []


def test_a_full_server_says_when_to_try_again_and_answers_later(server, clip):
    sent = [server.upload(clip).json()[0] for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(server.join, sent))
        taken = [reply.json()["event_id"] for reply in replies if reply.status_code == 200]
        told = [answer for answer in pool.map(server.answer, taken)]
    refused = [reply for reply in replies if reply.status_code != 200]
    assert all(reply.status_code == 503 and int(reply.headers["Retry-After"]) > 0 for reply in refused)
    errors = [data for name, data in told if name == "error"]
    assert all("Try again in" in str(data) for data in errors) and len(refused) + len(errors) >= 1
    assert sum(name == "complete" for name, _ in told) >= 4
    assert server.explain(clip)[0] == "complete"
    for path in map(Path, sent):
        path.unlink(missing_ok=True)


def test_the_sum_of_uploads_is_bounded(server, tmp_path):
    (tmp_path / "large.wav").write_bytes(bytes(900_000))
    replies = [server.upload(tmp_path / "large.wav") for _ in range(6)]
    assert [reply.status_code for reply in replies] == [200] * 4 + [503] * 2
    assert "Try again in" in replies[-1].text and int(replies[-1].headers["Retry-After"]) > 0
    assert sum(path.stat().st_size for path in files(server)) < 4 * 2**20
    for path in files(server):
        path.unlink()
    assert server.upload(tmp_path / "large.wav").status_code == 200
    for path in files(server):
        path.unlink()


@pytest.mark.parametrize("field", ["other", "files"])
def test_a_part_that_is_no_upload_is_refused_and_leaves_no_file(server, tmp_path, field):
    file = ("a.wav", bytes(100_000)) if field == "other" else (None, "text")
    assert server.client.post(f"{API}/upload", files={field: file}).status_code == 400
    assert files(server) == []


def test_an_upload_that_is_broken_off_leaves_no_file(server):
    host, port = server.client.base_url.host, server.client.base_url.port
    head = f"POST /{API}/upload HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
    with socket.create_connection((host, port)) as connection:
        connection.sendall((head + "Content-Length: 500000\r\n\r\n" + part + "a" * 100_000).encode())
        until(lambda: files(server))
    until(lambda: not files(server))


@pytest.mark.parametrize("body", [b'{"data": [' + b"1," * 40_000 + b"1]}", b"[" * 50_000, b"{"])
def test_a_body_that_is_long_or_no_json_is_refused(server, body):
    assert server.client.post(f"{API}/call/explain", content=body).status_code in (400, 413)


def test_a_long_field_of_an_upload_is_refused_and_not_kept_in_memory(server):
    reply = server.client.post(f"{API}/upload", files={"text": (None, "a" * 100_000)})
    assert reply.status_code == 400 and "send sounds as files" in reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": EVIL},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Host": "speech.example", "Origin": "http://speech.example:9999"},  # another server of the same name
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_and_names_of_others_are_not_let_in(server, clip, headers):
    assert server.client.get("config", headers=headers).status_code == 403
    assert server.upload(clip, headers=headers).status_code == 403 and files(server) == []


def test_pages_and_names_of_this_server_are_let_in(server):
    address = str(server.client.base_url).rstrip("/")
    for headers in (
        {"Origin": address},
        {"Host": "speech.example", "Origin": "https://speech.example"},
        {"Origin": "https://speech.example"},  # a server with TLS in front that names this one by its address
        {"Host": "[::1]:7860"},
        {"Sec-Fetch-Site": "same-origin"},
    ):
        assert server.client.get("config", headers=headers).status_code == 200, headers
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.client.get("", headers=opened).status_code == 200


@pytest.mark.parametrize("path", ["", "config", "health", "theme.css", "nothing"])
def test_every_answer_tells_a_browser_what_it_may_do(server, path):
    headers = server.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", f"{API}/file=/etc/passwd"),
        ("GET", f"{API}/file=/{'0' * 64}/passwd"),
        ("GET", f"{API}/file=/{'0' * 64}/a%0ab"),
        ("GET", f"{API}/proxy=https://example.hf.space/"),
        ("GET", f"{API}/deep_link?session_hash=a"),
        ("GET", f"{API}/runs"),
        ("POST", f"{API}/component_server"),
        ("POST", f"{API}/run/explain"),
    ],
)
def test_nothing_of_gradio_can_be_reached_but_what_the_page_needs(server, method, path):
    assert server.client.request(method, path, json={}).status_code == 404


def happen(server: Served, page: str, event: dict, data: list, **options) -> str:
    """An event of a page, and all that the page is told of it."""
    asked = {"data": data, "fn_index": event["id"], "session_hash": page}
    server.client.post(f"{API}/queue/join", json=asked, **options).raise_for_status()
    return server.client.get(f"{API}/queue/data", params={"session_hash": page}, **options).text


def hand_in(server: Served, clip: Path, page: str, **options) -> None:
    """A clip on a page, which then vanishes without a word."""
    config = server.client.get("config").json()
    label = "Your clip, up to 4 seconds"
    given = next(part["id"] for part in config["components"] if part["props"].get("label") == label)
    event = next(one for one in config["dependencies"] if [given, "change"] in one["targets"])
    upload = {"path": server.upload(clip, **options).json()[0], "meta": {"_type": "gradio.FileData"}}
    happen(server, page, event, [upload], **options)


def explained_on(server: Served, page: str, **options) -> list[str]:
    """The addresses of what a page offers to download, once the clip that was handed in is explained."""
    config = server.client.get("config").json()
    event = next(one for one in config["dependencies"] if one["api_name"] == "explain_1")
    found = re.findall(r"download/[0-9a-f]{64}/[\w.]+", happen(server, page, event, [], **options))
    return list(dict.fromkeys(found))


def test_what_a_page_offers_to_download_is_its_owner_s_alone_and_goes_with_the_page(server, clip):
    anna, bert = ({"Cookie": f"xser-owner={digit * 32}"} for digit in "ab")
    hand_in(server, clip, "annas", headers=anna)
    addresses = explained_on(server, "annas", headers=anna)
    names = [address.rpartition("/")[2] for address in addresses]
    assert names == ["clip.html", "clip.json", "clip.csv", "clip.srt"]
    for address, name in zip(addresses, names, strict=True):
        for headers in (bert, {}):
            refused = server.client.get(address, headers=headers)
            assert refused.status_code == 404 and "clip" not in refused.text
        assert server.client.get(address, headers=anna | {"Origin": EVIL}).status_code == 403
        found = server.client.get(address, headers=anna)
        assert found.status_code == 200 and found.content
        assert found.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{name}"
        assert found.headers["Content-Type"] == "application/octet-stream"
        assert found.headers["Cache-Control"] == "no-store"
        assert "'sha256" not in found.headers["Content-Security-Policy"]  # no script of it is one of this server's
    key = addresses[0].split("/")[1]
    for other in (f"{key}/other.json", f"{key}/..%2f..%2fetc%2fpasswd", f"{'0' * 64}/clip.json", key):
        assert server.client.get(f"download/{other}", headers=anna).status_code == 404
    with server.client.stream("GET", f"{API}/heartbeat/annas", headers=anna) as open_page:
        assert open_page.status_code == 200
    until(lambda: server.client.get(addresses[0], headers=anna).status_code == 404)


def test_the_clips_of_pages_that_vanish_are_bounded(server, clip):
    seconds = soundfile.info(clip).duration
    room = int(4 * 4 * 4 / seconds)  # of the longest clips, four for each of four places
    kept = []
    for number in range(room + 5):
        hand_in(server, clip, f"page{number}")
        kept.append(server.health()["clips"])
    assert kept[2] == 3 and kept[-1] == max(kept) == room


def test_health_is_told_while_a_request_has_its_turn(server, clip):
    event = server.join(server.upload(clip).json()[0]).json()["event_id"]
    turns = server.health()["turns"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.answer, event)
        until(lambda: server.health()["turns"] > turns)
        told = server.health()
        assert told["status"] == "ok" and told["requests"] == 1 and not answer.done()
        assert answer.result()[0] == "complete"


def test_a_password_is_asked_for_and_health_needs_none(python, tmp_path, clip):
    with served(python, tmp_path, "--host", "127.0.0.2", environment={"XSER_AUTH": "anna:se:cret"}) as server:
        assert server.health()["status"] == "ok"
        for path in ("config", f"{API}/info", f"{API}/heartbeat/a", f"{API}/queue/data?session_hash=a"):
            with server.client.stream("GET", path) as reply:
                assert reply.status_code == 401, path
        for path in ("upload", "queue/join", "cancel", "call/explain"):
            assert server.client.post(f"{API}/{path}", json={}).status_code == 401, path
        assert server.client.get("").status_code == 200 and "auth_required" in server.client.get("").text
        wrong = server.client.post("login", data={"username": "anna", "password": "secret"})
        assert wrong.status_code == 400
        right = server.client.post("login", data={"username": "anna", "password": "se:cret"})
        assert right.status_code == 200 and server.explain(clip)[0] == "complete"


def test_sigterm_lets_the_running_request_end_and_refuses_those_that_wait(python, tmp_path, clip):
    with served(python, tmp_path) as server:
        events = [server.join(server.upload(clip).json()[0]).json()["event_id"] for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            running = pool.submit(server.answer, events[0])
            until(lambda: server.health()["turns"] == 1)
            waiting = pool.submit(server.answer, events[1])
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            (name, told), (refused, why) = running.result(), waiting.result()
        assert name == "complete" and told[0]["paragraph"]
        assert refused == "error" and "the server is ending" in why["error"]
        _, errors = server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 143 and "Traceback" not in errors, errors
        assert list(tmp_path.glob("xser-serve-*")) == []
        with pytest.raises(httpx.ConnectError):
            server.health()


def test_idle_connections_are_bounded_and_the_server_answers_again(server):
    address = server.client.base_url
    idle = [socket.create_connection((address.host, address.port)) for _ in range(CONNECTIONS)]
    try:
        until(lambda: httpx.get(f"{address}health").status_code == 503)
    finally:
        for connection in idle:
            connection.close()
    until(lambda: httpx.get(f"{address}health").status_code == 200)
