"""A stranger's model folder neither hangs, nor fills the memory, nor ends in an error that has no type of ours."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.hostile.corpus import CHAT, INSIDE, KINDS, PLAIN
from tests.faults.hostile.loading import import_kinds

import_kinds()
ROOT = Path(__file__).parents[3]
SECONDS = 5.0  # of CPU, beyond what an ordinary folder of the same kind takes
MEGABYTES = 1000  # beyond an ordinary folder's


@pytest.fixture(scope="module")
def endings(tmp_path_factory) -> Iterator[dict[str, dict]]:
    """How each folder ended, by name: loaded in processes with limits, all forked from one."""
    place = tmp_path_factory.mktemp("hostile")
    command = [sys.executable, "-m", "tests.faults.hostile.loading", str(place)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(place / "state")}
    with open(place / "errors", "w") as errors:
        lines = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert not lines.returncode, (place / "errors").read_text()[-2000:]
    return {(one := json.loads(line))["name"]: one for line in lines.stdout.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [PLAIN, INSIDE, CHAT])
def test_an_ordinary_folder_answers(endings, name):
    assert endings[name]["ended"] == "answered", endings[name]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_hostile_folder_is_refused_in_time_and_within_memory(endings, name):
    found, ordinary, kind = endings[name], endings[KINDS[name].base], KINDS[name]
    expected = "answered" if kind.error is None else kind.error.__name__
    assert found["ended"] == expected, found["message"]
    assert re.search(kind.told, found["message"]), found["message"]
    assert found["seconds"] < ordinary["seconds"] + SECONDS
    assert found["megabytes"] < ordinary["megabytes"] + MEGABYTES


def test_there_are_at_least_sixty_kinds():
    assert len(KINDS) >= 60
