"""An interpreter that has imported what our commands import, for tests that start processes.

Importing torch, transformers, peft and SpeechBrain takes seconds, so a server does it once and forks a process for each
command. What stands for the interpreter is an ordinary program: its streams, its exit code and the signals that it gets
are the process's. Tests of imports, of the start and the end of an interpreter, and of memory start a real one.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 1800  # seconds after which a process hangs; a machine may be busy, and nothing is timed
CLIENT = Path(__file__).with_name("client.py")
SCRIPT = """#!{python} -IS
import runpy, sys
sys.argv[1:1] = {first!r}
runpy.run_path({client!r}, run_name="__main__")
"""


@contextlib.contextmanager
def warmed_python() -> Iterator[str]:
    """The path of a warmed interpreter; of the real one on systems that cannot watch a process by a descriptor."""
    if not hasattr(os, "pidfd_open"):
        yield sys.executable
        return
    with tempfile.TemporaryDirectory(prefix="warmed-") as folder:  # short: a socket's path has 107 characters at most
        python = Path(folder) / "python"
        first = [str(Path(folder) / "socket"), sys.executable]
        python.write_text(SCRIPT.format(python=sys.executable, first=first, client=str(CLIENT)))
        python.chmod(0o755)
        with _serving(folder):
            yield str(python)


@contextlib.contextmanager
def _serving(folder: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.warmed.server", folder]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **streams) as server:
        assert server.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            server.stdin.close()


class Process(subprocess.Popen):
    """A process of a warmed interpreter that gets its signals itself, not through the one that stands for it."""

    def send_signal(self, number: int) -> None:
        """Sends a signal, once the process is there."""
        told = Path(self.args[0]).with_name(str(self.pid))
        if self.args[0] == sys.executable:
            super().send_signal(number)
            return
        while self.poll() is None and not told.is_symlink():
            time.sleep(0.01)
        with contextlib.suppress(FileNotFoundError):  # it has ended
            os.kill(int(os.readlink(told)), number)
