"""``xser serve`` as a user starts and ends it; what needs a browser is in test_browser."""

import os
import signal
import socket
import sys
import tempfile

import pytest
from click.testing import CliRunner

from speechbrain_xser.cli import serve
from speechbrain_xser.cli.main import xser
from speechbrain_xser.web.server import Server


@pytest.fixture
def run(recognizer, tmp_path, monkeypatch):
    """Runs the command with a preloaded model; a signal ends the server at once."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(serve, "load_recognizer", lambda *_, **__: recognizer)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def ran(*arguments, ended_by=signal.SIGTERM):
        def wait(server):
            (server.folder / "uploads" / "a.wav").write_text("speech")
            os.kill(os.getpid(), ended_by)
            signal.pause()

        monkeypatch.setattr(Server, "wait", wait)
        return CliRunner().invoke(xser, ["serve", "--port", "0", *map(str, arguments)])

    yield ran
    for each, handler in handlers.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("ended_by, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ending_the_server_leaves_nothing_that_was_uploaded(run, tmp_path, ended_by, code):
    done = run(ended_by=ended_by)
    assert done.exit_code == code
    assert done.stdout.startswith("Serving at http://127.0.0.1:")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_one_clear_line(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", port)
    assert done.exit_code == 2
    assert f"cannot listen at 127.0.0.1, port {port} (Address already in use)" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_can_reach_needs_a_password(run, host, monkeypatch):
    monkeypatch.delenv("XSER_AUTH", raising=False)
    done = run("--host", host)
    assert done.exit_code == 2 and done.stdout == ""
    assert f"--host {host}: others can reach this address" in done.stderr and "--auth-file" in done.stderr


def test_a_password_comes_from_an_option_the_environment_or_a_file(run, tmp_path, tmp_path_factory, monkeypatch):
    file = tmp_path_factory.mktemp("private") / "login"
    file.write_text("anna:a:b\nmore\n")
    for arguments in (["--auth", "anna:secret"], ["--auth-file", file]):
        done = run("--host", "0.0.0.0", *arguments)
        assert done.exit_code == 143 and "warning: everyone who can reach 0.0.0.0" in done.stderr
    monkeypatch.setenv("XSER_AUTH", "anna:secret")
    assert run("--host", "0.0.0.0").exit_code == 143


@pytest.mark.parametrize("text", ["anna", "anna:", ":secret", ""])
def test_half_a_password_is_refused_without_repeating_it(run, text):
    done = run("--auth", text)
    assert done.exit_code == 2 and "expected user:password" in done.stderr and "secret" not in done.stderr


def test_a_file_for_the_password_that_is_not_there_is_named(run, tmp_path):
    done = run("--auth-file", tmp_path / "login")
    assert done.exit_code == 2 and "login cannot be read" in done.stderr


def test_serving_oneself_gives_no_warning(run):
    assert "warning" not in run().stderr


def test_an_address_of_another_machine_is_one_clear_line(run):
    done = run("--host", "192.0.2.1", "--auth", "anna:secret")
    assert done.exit_code == 2 and "cannot listen at 192.0.2.1" in done.stderr


def test_longer_clips_than_the_model_takes_are_refused(run):
    done = run("--max-seconds", 31)
    assert done.exit_code == 2
    assert "--max-seconds 31: this model takes up to 30 s." in done.stderr


@pytest.mark.parametrize("option", ["--max-seconds", "--max-megabytes", "--max-hours"])
def test_a_limit_of_zero_is_refused(run, option):
    assert run(option, 0).exit_code == 2


def test_without_gradio_the_remedy_is_named(run, monkeypatch):
    for name in ("app", "look"):
        monkeypatch.delitem(sys.modules, f"speechbrain_xser.web.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    done = run()
    assert done.exit_code == 2 and 'pip install "gradio' in done.stderr


def test_help_ends_with_an_example_and_offers_no_sharing(run):
    done = run("--help")
    assert "xser serve --model" in done.output and "--share" not in done.output
