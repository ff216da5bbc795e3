"""Imports that are put off: nothing is loaded before it is called, and what is called is the library's own."""

import sys

import pytest

from speechbrain_xser.utils import late_imports
from speechbrain_xser.utils.late_imports import imports_put_off

LIBRARY = """
LOADED.append(__name__)
class Turn:
    sides = 4
    def __call__(self): return "turned"
def doubled(value): return 2 * value
def disable(function): raise AssertionError("marked")
"""


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Names of the stand-in's library, once for each time that it is loaded."""
    (tmp_path / "slow_library.py").write_text("from builtins import slow_library_loads as LOADED\n" + LIBRARY)
    loads = []
    monkeypatch.setattr("builtins.slow_library_loads", loads, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(late_imports, "PUT_OFF", ("slow_library",))
    monkeypatch.setattr(late_imports, "COMPILER", "slow_library")
    yield loads
    sys.modules.pop("slow_library", None)


def test_what_is_imported_inside_the_block_is_loaded_when_it_is_called(loaded):
    with imports_put_off():
        from slow_library import Turn, doubled
    assert not loaded
    assert (doubled(4), Turn.sides, Turn()()) == (8, 4, "turned")
    assert loaded == ["slow_library"]


def test_what_is_called_inside_the_block_is_loaded_there(loaded):
    with imports_put_off():
        from slow_library import doubled

        assert doubled(4) == 8
        import slow_library
    assert slow_library is sys.modules["slow_library"] and loaded == ["slow_library"]


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
