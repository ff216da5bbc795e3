"""No module that a system may lack is imported, and a claim works without it."""

import subprocess
import sys

import pytest

POSIX_ONLY = ("fcntl", "grp", "termios", "tty", "pty", "syslog")  # psutil itself needs `resource` on Linux
MODULES = ("utils.files", "utils.journal", "utils.commandline", "data.member", "timeline.heap", "web.private")


def without_posix(code: str) -> subprocess.CompletedProcess:
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({POSIX_ONLY}))\n"
    return subprocess.run([sys.executable, "-c", hidden + code], capture_output=True, text=True)


def test_files_journal_and_locks_are_imported_where_posix_modules_are_missing():
    code = f"from importlib import import_module\n[import_module(f'speechbrain_xser.{{name}}') for name in {MODULES}]"
    done = without_posix(code)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_a_claim_is_refused_and_then_free_where_posix_modules_are_missing(tmp_path):
    code = (
        "from speechbrain_xser.utils.commandline import claimed\n"
        "from speechbrain_xser.errors import TrainingError\n"
        f"with claimed({str(tmp_path)!r}):\n"
        "    try:\n"
        f"        with claimed({str(tmp_path)!r}): pass\n"
        "    except TrainingError as error: print(error)\n"
        f"with claimed({str(tmp_path)!r}): print('free')\n"
    )
    done = without_posix(code)
    told = f"Another run is writing to {tmp_path}: wait until it ends, or choose another folder."
    assert done.stdout.splitlines() == [told, "free"], done.stderr[-2000:]
