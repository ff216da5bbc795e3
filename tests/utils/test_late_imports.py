"""Imports that are put off: nothing is loaded before it is called, and what is called is the library's own."""

import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from speechbrain_xser.utils import late_imports
from speechbrain_xser.utils.late_imports import imports_put_off

LIBRARY = """
import slow_library.first
LOADED.append(__name__)
class Turn:
    sides = 4
    def __call__(self): return "turned"
def doubled(value): return 2 * value
def disable(function): raise AssertionError("marked")
"""
PART = "LOADED.append(__name__)\n"
WHOLE = ["slow_library.first", "slow_library"]


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Names of a library's modules, once for each time that they are loaded; it loads one of its two parts itself."""
    (tmp_path / "slow_library").mkdir()
    told = "from builtins import slow_library_loads as LOADED\n"
    for name, code in {"__init__": LIBRARY, "first": PART, "second": PART}.items():
        (tmp_path / "slow_library" / f"{name}.py").write_text(told + code)
    loads = []
    monkeypatch.setattr("builtins.slow_library_loads", loads, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(late_imports, "PUT_OFF", ("slow_library",))
    monkeypatch.setattr(late_imports, "COMPILER", "slow_library")
    yield loads
    for name in [name for name in sys.modules if name.startswith("slow_library")]:
        del sys.modules[name]


def test_what_is_imported_inside_the_block_is_loaded_when_it_is_called(loaded):
    with imports_put_off():
        from slow_library import Turn, doubled
    assert not loaded
    assert (doubled(4), Turn.sides, Turn()()) == (8, 4, "turned")
    assert loaded == WHOLE


def test_what_is_called_inside_the_block_is_loaded_there(loaded):
    with imports_put_off():
        from slow_library import doubled

        assert doubled(4) == 8
        import slow_library
    assert slow_library is sys.modules["slow_library"] and loaded == WHOLE


def test_after_the_block_an_import_finds_the_library(loaded):
    with pytest.raises(KeyError), imports_put_off():
        raise KeyError
    import slow_library

    assert slow_library.Turn.sides == 4


def test_a_library_that_is_loaded_already_is_left_alone(loaded):
    import slow_library

    with imports_put_off():
        import slow_library as found
    assert found is slow_library


@pytest.mark.parametrize("arguments", [(), (False,)])
def test_a_mark_for_the_compiler_loads_nothing_and_leaves_the_function(loaded, arguments):
    def function():
        return "as it was"

    with imports_put_off():
        import slow_library

        disable = slow_library.disable(None, *arguments) if arguments else slow_library.disable
        assert disable(function) is function
    assert not loaded


@pytest.mark.parametrize("part", ["first", "second"])
def test_a_submodule_that_is_imported_inside_the_block_loads_the_library_and_itself_once(loaded, part):
    name = f"slow_library.{part}"
    with imports_put_off():
        found = import_module(name)
        assert sys.modules["slow_library"].Turn.sides == 4 and getattr(sys.modules["slow_library"], part) is found
    assert sorted(loaded) == sorted({*WHOLE, name}) and sys.modules[name] is found
    assert found.__spec__.origin == found.__file__
    assert late_imports.Submodules not in sys.meta_path


def test_a_submodule_that_is_not_there_is_named(loaded):
    with pytest.raises(ModuleNotFoundError, match="slow_library.third"), imports_put_off():
        import_module("slow_library.third")


def test_a_value_that_is_set_is_set_in_the_library(loaded):
    with imports_put_off():
        from slow_library import Turn
    Turn.sides = 3
    assert sys.modules["slow_library"].Turn.sides == 3


def test_whoever_asks_inside_the_block_is_told_that_the_library_is_there(loaded):
    with imports_put_off():
        assert find_spec("slow_library").name == "slow_library"
    assert not loaded
    assert find_spec("slow_library").origin.endswith("__init__.py")
