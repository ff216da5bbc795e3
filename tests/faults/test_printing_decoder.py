"""Libraries that print themselves: what they say never comes among the lines of a command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults.test_fuzz_sounds import odd_sound

ROOT = Path(__file__).parents[2]
NOISY = """
import ctypes, json, os, sys
from speechbrain_xser.utils.commandline import as_a_command
libc = ctypes.CDLL(None)
with as_a_command():
    libc.puts(b"a decoder's own words, which the C library holds back")
    os.write(1, b"and others that go out at once")
    print(json.dumps({"path": "a.wav"}))
libc.puts(b"at the end")
print(json.dumps({"path": "b.wav"}))
"""


@pytest.mark.parametrize("options", [[], ["-u"]])
def test_what_a_library_prints_does_not_reach_standard_output(options):
    done = subprocess.run([sys.executable, *options, "-c", NOISY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == ["a.wav", "b.wav"] and not done.stderr


def test_a_reader_that_has_gone_ends_a_command_without_a_word():
    code = "from speechbrain_xser.utils.commandline import *\nwith one_line_errors(), as_a_command():\n"
    code += "    print('x', flush=False)\n    sys.stdout.flush()"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 141 and not done.stderr


def test_explaining_a_folder_of_spoilt_sounds_prints_a_line_of_json_for_each(python, tmp_path):
    for number in range(12):
        odd_sound(Random(number), tmp_path / f"{number}.mp3")
    call = [python, "-m", "speechbrain_xser.cli", "explain", "--json", str(tmp_path)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 12 and done.returncode == 2 and any("error" in row for row in rows)
