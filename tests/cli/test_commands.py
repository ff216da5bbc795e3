"""Common to all ``xser`` commands: quick help with an example, the nearest name, pipes, encodings, signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from speechbrain_xser.cli.main import COMMANDS, xser
from speechbrain_xser.utils.commandline import as_a_command, one_line_errors

ROOT = Path(__file__).parents[2]
THERE = [name for name in COMMANDS if (ROOT / "speechbrain_xser" / "cli" / f"{name}.py").exists()]
HEAVY = ("torch", "speechbrain", "transformers", "scipy", "gradio")
ROW = {"id": "a", "answer": 'A man says, "Go", sad.', "reference": {"id": "a", "wav": "a.wav", "transcript": "go"}}


def run(*words, **options):
    command = [sys.executable, "-m", "speechbrain_xser.cli", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, **options)


@pytest.mark.parametrize("name", THERE)
def test_help_ends_with_0_and_shows_an_example(name):
    done = CliRunner().invoke(xser, [name, "--help"], prog_name="xser")
    assert done.exit_code == 0 and "Example:" in done.output
    assert f"xser {name}" in done.output.partition("Example:")[2]


def test_no_help_imports_torch():
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom speechbrain_xser.cli.main import xser\n"
        f"for words in {[[], *([name] for name in THERE)]!r}:\n"
        "    assert CliRunner().invoke(xser, [*words, '--help']).exit_code == 0, words\n"
        f"    assert not set({HEAVY!r}) & set(sys.modules), words\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("explian", "Did you mean 'explain'?"),
        ("set_up", "Did you mean 'setup'?"),
        ("qq", "Commands: explain"),
    ],
)
def test_a_wrong_command_suggests_the_nearest_one(wrong, said):
    done = CliRunner().invoke(xser, [wrong])
    assert done.exit_code == 2 and f"No such command {wrong!r}. {said}" in done.output


@pytest.mark.slow
def test_a_closed_reader_is_not_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "speechbrain_xser.cli", "score", str(tmp_path / "a.jsonl")]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("env", [{"LANG": "C", "LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}])
@pytest.mark.slow
def test_a_name_that_the_terminal_cannot_show_does_not_crash(tmp_path, env):
    folder = tmp_path / "Müller 話"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    (folder / "b.jsonl").write_text(json.dumps(ROW) + "\n")
    done = run("score", folder / "a.jsonl", folder / "b.jsonl", env=env)
    assert done.returncode == 0 and b"a.jsonl" in done.stdout and b"Traceback" not in done.stderr


@pytest.mark.slow
def test_a_name_that_is_not_text_does_not_crash(tmp_path):
    paths = [os.fsencode(tmp_path) + name for name in (b"/\xff.jsonl", b"/b.jsonl")]
    for path in paths:
        Path(os.fsdecode(path)).write_text(json.dumps(ROW) + "\n")
    command = [sys.executable, "-m", "speechbrain_xser.cli", "score", *paths]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0 and b"\\udcff.jsonl" in done.stdout and b"Traceback" not in done.stderr


def test_ctrl_c_anywhere_ends_with_130(monkeypatch):
    @click.command("stop")
    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(type(xser), "get_command", lambda self, context, name: stop)
    done = CliRunner().invoke(xser, ["check"])
    assert done.exit_code == 130 and "no partial output is left" in done.output


def test_sigterm_ends_with_143_after_tidying_up():
    tidied = []
    with pytest.raises(SystemExit) as caught, as_a_command():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            tidied.append(True)
    assert caught.value.code == 143 and tidied
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("library", "brought"), [("sklearn", "scikit-learn"), ("gradio", "gradio"), ("matplotlib.pyplot", "matplotlib")]
)
def test_a_missing_library_is_reported_with_its_extra(capsys, library, brought):
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)
    said = capsys.readouterr().err
    assert caught.value.code == 2 and said.count("\n") == 1
    assert "Run: pip install" in said and f'"{brought}<' in said


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ModuleNotFoundError), one_line_errors():
        raise ModuleNotFoundError("No module named 'speechbrain_xser.gone'", name="speechbrain_xser.gone")
