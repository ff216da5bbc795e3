"""The map into SpeechBrain's tree is whole: every folder of ours has a place, and the place is there."""

import re
from pathlib import Path

import speechbrain

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (`.*?`) \| (.*?) \|", (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_every_folder_of_the_package_is_in_the_map():
    mapped = {name for here, _ in ROWS for name in re.findall(r"`([\w.]+)`", here)}
    folders = {path.parent.name for path in (ROOT / "speechbrain_xser").glob("*/__init__.py")}
    assert folders <= mapped


def test_every_place_in_speechbrain_is_one_that_there_is():
    places = {place for _, there in ROWS for place in re.findall(r"`speechbrain/([\w/]+)`", there)}
    assert "lobes/models" in places
    assert [place for place in places if not (Path(speechbrain.__file__).parent / place).is_dir()] == []


def test_checks_that_are_named_as_ours_are_there():
    text = (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8")
    theirs = {"test_docstrings.py", "test_recipe.py", "test_yaml.py", "test_HF_repo.py"}
    named = set(re.findall(r"`(?:tests/consistency/)?(test_\w+\.py)`", text)) - theirs
    assert named and all((ROOT / "tests" / "consistency" / name).is_file() for name in named)
