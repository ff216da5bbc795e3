"""What everyday work leaves out is marked, so that `make test-fast` stays fast."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("test_*.py"))
BEGIN = {  # what only a test of the kind does, and what marks it: `chromium` is marked where tests are collected
    "training": (re.compile(r"train_in_process\(|\bbrain\.fit\("), "pytest.mark.training"),
    "browser": (re.compile(r"playwright\.(sync_api|chromium)"), "def chromium("),
}


@pytest.mark.parametrize("kind", BEGIN)
def test_a_file_that_trains_or_drives_a_browser_says_so(kind):
    begins, marked = BEGIN[kind]
    found = {path: path.read_text(encoding="utf-8") for path in FILES if path != Path(__file__)}
    doing = [path for path, text in found.items() if begins.search(text)]
    assert doing and [str(path) for path in doing if marked not in found[path]] == []


def test_every_marker_is_in_the_table_of_the_contributing_page_and_left_out_of_the_fast_tests():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    names = [marker.partition(":")[0] for marker in settings["markers"]]
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", page.split("## Tests")[1].split("## Layout")[0], re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest-fast:")[2]
    left_out = re.search(r'-m "not (.*?)"', makefile)[1].split(" and not ")
    assert names == told == left_out


def test_the_files_that_start_first_are_there():
    from tests.conftest import LONGEST

    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
