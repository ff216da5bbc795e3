"""What SpeechBrain asks of docstrings (its ``tests/consistency``), and that they say what the code takes."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("speechbrain_xser", "recipes", "benchmarks", "docs")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
OVERRIDDEN = ("forward", "backward")  # of torch; what they take is told by the class or the function around it
MISSPELT = re.compile(r"^ *(Args|Argument|Parameters|Return|Yield|Raise|Examples):? *\n *-{3,}", re.MULTILINE)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def defined(path: Path) -> Iterator[Definition]:
    """Functions and classes of a module, and methods; none that are inside a function."""
    places = [tree(path)]
    while places:
        for node in places.pop().body:
            if isinstance(node, Definition):
                yield node
            if isinstance(node, ast.ClassDef):
                places.append(node)


def section(docstring: str, name: str) -> list[str]:
    """The lines of a section that are not indented."""
    found = re.search(rf"^{name}\n-+\n(.*?)(?=\n\n?[A-Z]\w+\n-+\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return [line for line in (found[1].splitlines() if found else []) if line and not line.startswith(" ")]


def documented_arguments(docstring: str) -> set[str]:
    heads = [line.partition(" : ")[0].partition(":")[0] for line in section(docstring, "Arguments")]
    return {name.strip().lstrip("*") for head in heads for name in head.split(",") if name.strip()}


def taken_arguments(node: ast.FunctionDef) -> set[str]:
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {argument.arg for argument in every if argument is not None} - {"self", "cls", "_"}


def signature(node: Definition) -> ast.FunctionDef | None:
    """The function whose arguments a docstring tells: a class's is its constructor."""
    if not isinstance(node, ast.ClassDef):
        return node
    made = [inner for inner in node.body if isinstance(inner, ast.FunctionDef) and inner.name == "__init__"]
    return made[0] if made else None


def wrong(check: Callable[[Definition], bool]) -> list[str]:
    """Places whose functions or classes do not pass."""
    return [f"{path.relative_to(ROOT)}: {node.name}" for path in FILES for node in defined(path) if not check(node)]


def test_modules_begin_with_a_docstring():
    assert [str(path) for path in FILES if not ast.get_docstring(tree(path))] == []


def test_public_functions_and_methods_and_all_classes_have_a_docstring():
    def told(node: Definition) -> bool:
        private = node.name.startswith("_") and not isinstance(node, ast.ClassDef)
        return private or node.name in OVERRIDDEN or ast.get_docstring(node) is not None

    assert wrong(told) == []


def test_sections_have_speechbrain_s_names():
    assert wrong(lambda node: not MISSPELT.search(ast.get_docstring(node) or "")) == []


def test_a_section_of_arguments_names_those_of_the_signature():
    def agrees(node: Definition) -> bool:
        docstring, taken = ast.get_docstring(node) or "", signature(node)
        if taken is None or not section(docstring, "Arguments"):
            return True
        missing = taken_arguments(taken) - documented_arguments(docstring)
        unknown = documented_arguments(docstring) - taken_arguments(taken)
        return not unknown and (not missing or "other arguments as of :func:" in docstring)

    assert wrong(agrees) == []


def test_a_section_ends_where_the_next_begins():
    text = "Does.\n\nArguments\n---------\na, b : int\n    Numbers: two.\n**more\n    Any.\n\nReturns\n-------\nint\n"
    assert documented_arguments(text) == {"a", "b", "more"}
    assert section(text, "Returns") == ["int"]
