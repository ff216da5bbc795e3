"""What must run where POSIX does not: nothing of this package may need a module that Windows lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
CLIPS = DATA / "cremad" / "AudioWAV"
needs_real_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"No clips in {CLIPS}: set XSER_DATA")
HIDDEN = """
import builtins, sys
ABSENT = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
found = builtins.__import__

def portable(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__") or ""
    if level == 0 and name in ABSENT and importer.partition(".")[0] in ("speechbrain_xser", "__main__"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return found(name, globals, locals, fromlist, level)

builtins.__import__ = portable  # other libraries have their own ways on Windows
"""
RUNS = {
    "import": "import speechbrain_xser",
    "help": "from speechbrain_xser.cli.main import xser\nxser(['--help'], prog_name='xser')",
    "explain": "from speechbrain_xser.cli.main import xser\nxser(['explain', '--model', 'tiny', sys.argv[1]])",
}


@needs_real_clips
@pytest.mark.parametrize("code", RUNS.values(), ids=RUNS)
@pytest.mark.slow
def test_it_runs_without_posix_only_modules(code):
    clip = min(CLIPS.glob("*.opus"))
    done = subprocess.run([sys.executable, "-c", HIDDEN + code, str(clip)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_hidden_modules_are_hidden():
    done = subprocess.run([sys.executable, "-c", HIDDEN + "import fcntl"], capture_output=True, text=True)
    assert "No module named 'fcntl'" in done.stderr
