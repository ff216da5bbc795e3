"""The server and its API, asked through Gradio's own client."""

import io
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import soundfile
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from speechbrain_xser.web.api import api_text
from speechbrain_xser.web.server import serving
from speechbrain_xser.web.server_settings import WebSettings
from tests.web.conftest import copied, files_below

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(recognizer, tmp_path_factory):
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("server"))
    settings = WebSettings("Model: tiny", max_seconds=10, max_megabytes=0.5, max_hours=0.01)
    with serving(recognizer, settings) as running:
        yield running
    assert list(running.folder.parent.iterdir()) == []
    tempfile.tempdir = before


@pytest.fixture
def ask(server, tmp_path):
    """Runs the server in a separate program."""
    client = Client(server.address, verbose=False, analytics_enabled=False, download_files=str(tmp_path))

    def asked(clip, voice=None):
        voice = None if voice is None else handle_file(str(voice))
        return client.predict(clip=handle_file(str(clip)), voice=voice, api_name="/explain")

    asked.client = client
    return asked


def test_the_answer_is_the_clips_explanation_and_evidence(ask, recognizer, spoken):
    told, expected = ask(spoken[0]), recognizer.explain_file(spoken[0])
    assert [told[name] for name in ("paragraph", "transcript", "emotion")] == list(expected[:2]) + [expected.emotion]
    assert told["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert {claim["verdict"] for claim in told["claims"]} & {"supported", "contradicted"}
    assert told["swapped"] is None and sum(told["voice_or_words"]["distributions"]["all"].values()) == pytest.approx(1)


def test_another_voice_can_be_swapped_in(ask, spoken):
    told = ask(spoken[0], voice=spoken[1])
    assert sum(told["swapped"].values()) == pytest.approx(1)
    assert told["swapped"] != pytest.approx(told["probabilities"], abs=1e-3)


def test_concurrent_callers_get_their_own_answers_even_for_the_same_file(ask, recognizer, server, spoken):
    alone = [recognizer.explain_file(path) for path in spoken]
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(ask, [spoken[0], *spoken]))
    assert [one["paragraph"] for one in told] == [one.paragraph for one in (alone[0], *alone)]
    assert [one["emotion"] for one in told] == [one.emotion for one in (alone[0], *alone)]
    assert files_below(server.folder / "uploads") == []


def test_a_recordings_moments_are_in_order(ask, server, recording):
    answer = ask.client.predict(recording=handle_file(str(recording)), api_name="/timeline")
    starts = [moment["start_seconds"] for moment in answer["moments"]]
    assert len(starts) == 2 and starts == sorted(starts) and answer["fault"] is None
    assert files_below(server.folder / "uploads") == []


def test_an_unusable_upload_gives_an_error_with_the_reason(ask, server, tmp_path):
    (tmp_path / "a.wav").write_text("not audio")
    with pytest.raises(AppError, match="a.wav: cannot be read as audio"):
        ask(tmp_path / "a.wav")
    assert files_below(server.folder / "uploads") == []


def test_an_upload_beyond_the_limit_is_refused_and_not_kept(ask, server, tmp_path):
    (tmp_path / "a.wav").write_bytes(bytes(600_000))
    with pytest.raises(Exception, match="exceeds the maximum file size"):
        ask(tmp_path / "a.wav")
    assert files_below(server.folder / "uploads") == []


def test_an_upload_beyond_the_limit_is_refused_whoever_sends_it(server):
    file = {"files": ("a.wav", bytes(600_000))}
    answer = httpx.post(f"{server.address}gradio_api/upload", files=file)
    assert answer.status_code == 413 and "maximum allowed size of 524288 bytes" in answer.text
    assert files_below(server.folder / "uploads") == []


def test_no_upload_is_handed_out_again(server):
    sent = httpx.post(f"{server.address}gradio_api/upload", files={"files": ("a.txt", b"private")})
    [path] = sent.json()
    drawn = httpx.get(f"{server.address}gradio_api/file={path}")  # by the recorder, which is emptied
    assert b"private" not in drawn.content
    samples, _ = soundfile.read(io.BytesIO(drawn.content))
    assert len(samples) and not samples.any()
    os.remove(path)


def test_the_description_names_two_endpoints_and_no_event_of_the_page(ask):
    assert set(ask.client.view_api(return_format="dict")["named_endpoints"]) == {"/explain", "/timeline"}


def test_the_curl_commands_work_as_written(server, spoken, tmp_path):
    copied(spoken[0], tmp_path).rename(tmp_path / "clip.wav")
    commands = api_text(server.address).split("```bash\n")[1].split("```")[0]
    run = subprocess.run(["bash", "-c", commands], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    event, data = run.stdout.strip().splitlines()[-2:]
    assert event == "event: complete"
    assert json.loads(data.removeprefix("data: "))[0]["paragraph"]


def test_nothing_is_sent_to_anyone_by_gradio(server):
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_the_page_can_be_imported_without_gradio_being_there():
    code = "import sys; sys.modules['gradio'] = None\nimport speechbrain_xser.web.server, speechbrain_xser.cli.serve"
    subprocess.run([sys.executable, "-c", code], check=True)
