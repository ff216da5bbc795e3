"""A process of the warmed interpreter is a process like any other."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warmed import Process


def run(python, code, *words, **options):
    return subprocess.run([python, "-c", code, *words], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('words')", 1),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("raise KeyboardInterrupt", -signal.SIGINT),
    ],
)
def test_it_ends_as_the_real_one_does(python, code, expected):
    assert run(python, code).returncode == expected


def test_it_has_its_own_words_folder_environment_and_streams(python, tmp_path):
    code = "import os, sys, json; print(json.dumps([sys.argv, os.getcwd(), os.environ['A'], sys.stdin.read()]))"
    done = run(python, code, "ä", cwd=tmp_path, env={**os.environ, "A": "b"}, input="told\n")
    assert json.loads(done.stdout) == [["-c", "ä"], str(tmp_path), "b", "told\n"] and done.stderr == ""


def test_another_copy_of_the_package_is_what_is_imported_beside_the_same_libraries(python, tmp_path):
    (tmp_path / "speechbrain_xser").mkdir()
    (tmp_path / "speechbrain_xser" / "__init__.py").write_text("COPY = 1")
    code = "import sys; print('transformers' in sys.modules); import speechbrain_xser; print(speechbrain_xser.COPY)"
    done = run(python, code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.stdout.split() == ["True", "1"], done.stderr


def test_a_fault_is_told_on_the_error_stream(python):
    done = run(python, "raise ValueError('a fault')")
    assert done.stdout == "" and done.stderr.endswith("ValueError: a fault\n")


def test_nothing_of_one_process_is_left_for_the_next(python):
    code = "import torch, numpy; torch.tests = getattr(torch, 'tests', 0) + 1; "
    drawn = "print(torch.tests, torch.initial_seed(), torch.rand(1).item(), numpy.random.rand())"
    [first, other] = [run(python, code + drawn).stdout.split() for _ in range(2)]
    assert first[:3] == other[:3] and first[0] == "1" and first[3] != other[3]


def test_sigterm_is_passed_on_by_the_one_that_stands_for_it(python):
    code = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(143))\nprint(1, flush=True)\nsignal.pause()"
    with subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.terminate()
    assert process.returncode == 143


def test_a_killed_process_is_gone_when_its_end_is_told(python):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with Process([python, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        number = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and not Path(f"/proc/{number}").exists()


def test_a_pool_s_workers_get_the_descriptors_that_they_read_from(python):
    done = run(python, "from joblib import Parallel, delayed; print(Parallel(2)(delayed(abs)(n) for n in (-1, -2)))")
    assert done.stdout == "[1, 2]\n", done.stderr


def test_what_inherits_a_descriptor_is_a_real_interpreter(python):
    read, write = os.pipe()
    done = run(python, "import sys; print(sys.executable)", pass_fds=[read])
    for descriptor in (read, write):
        os.close(descriptor)
    assert done.stdout == f"{sys.executable}\n"
