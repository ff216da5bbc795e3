"""A room of the package imports only rooms below it."""

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "speechbrain_xser"
LAYERS = (  # from the ground up; those of one line know nothing of each other
    ("errors",),
    ("versions",),
    ("utils",),
    ("answer",),
    ("backbones", "data", "stages"),
    ("lobes", "metrics"),
    ("decoder",),
    ("annotator", "model"),
    ("model_folder",),
    ("inference",),
    ("evidence",),
    ("page", "training", "probing"),
    ("explaining", "timeline"),
    ("batch",),
    ("reproduction", "web"),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}
APART = {"__init__", "testing"}  # the package's front door, and models for everybody's tests
FILES = {path: path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
PYTHON_S = {"__init__", "__main__"}  # names that Python gives a meaning of its own
HEAVY = {"torch", "transformers", "peft", "speechbrain", "torchaudio"}


def room(name: Path) -> str:
    return name.parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports, at its head or later, but for names in annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
    guarded = [block for block in blocks if ast.unparse(block.test) == "TYPE_CHECKING"]
    annotations = {id(node) for block in guarded for node in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("speechbrain_xser.")} & set(FLOOR)


def test_every_room_has_its_floor():
    assert {room(name) for name in FILES.values()} - APART == set(FLOOR)


@pytest.mark.parametrize("name", sorted(FLOOR, key=FLOOR.get))
def test_a_room_imports_only_what_is_below_it(name):
    files = [path for path, relative in FILES.items() if room(relative) == name]
    upward = {
        (str(FILES[path]), other)
        for path in files
        for other in imported_rooms(path) - {name}
        if FLOOR[other] >= FLOOR[name]
    }
    assert not upward


def test_the_root_has_few_files():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_no_file_name_stands_twice():
    names = Counter(path.stem for path in FILES if path.stem not in PYTHON_S)
    assert not [name for name, files in names.items() if files > 1]


@pytest.mark.parametrize("name", ["answer", "metrics", "page"])
def test_text_numbers_and_pages_need_no_torch(name):
    modules = [
        "speechbrain_xser." + ".".join(relative.with_suffix("").parts)
        for relative in FILES.values()
        if room(relative) == name and relative.stem != "__init__"
    ]
    code = "import importlib, json, sys\n[importlib.import_module(name) for name in json.loads(sys.argv[1])]\n"
    code += "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(modules)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(json.loads(done.stdout))
