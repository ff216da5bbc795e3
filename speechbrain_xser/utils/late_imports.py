"""Libraries that transformers imports with every model, put off until somebody calls them.

Of torch's compiler it takes decorators for functions that a compiled model may call, and of SciPy's optimisers one
function for the loss of object detectors. Both take a second to load, and neither a command that explains or annotates
nor its workers use them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

COMPILER = "torch._dynamo"
PUT_OFF = (COMPILER, f"{COMPILER}._trace_wrapped_higher_order_op", "scipy.optimize")
MARKS = ("allow_in_graph", "assume_constant_result", "disable")  # of the compiler, which say how to compile a function
ELSEWHERE: Sequence[str] = []  # the path of stand-ins: their submodules are not found there


@contextmanager
def imports_put_off() -> Iterator[None]:
    """Imports inside the block get stand-ins for these libraries, which load at the first call of what is in them.

    Functions that are marked for the compiler inside the block stay unmarked: it is for commands, which compile no
    model. A library that is loaded already is left alone.

    Example
    -------
    >>> import sys
    >>> with imports_put_off():
    ...     from scipy.optimize import linear_sum_assignment
    >>> [numbers.tolist() for numbers in linear_sum_assignment([[1, 0], [0, 1]])]
    [[0, 1], [1, 0]]
    """
    sys.modules.update({name: StandIn(name) for name in PUT_OFF if name not in sys.modules})
    sys.meta_path.insert(0, Submodules)
    try:
        yield
    finally:
        _end()
        sys.meta_path.remove(Submodules)


def _end() -> None:
    for name in PUT_OFF:
        if isinstance(sys.modules.get(name), StandIn):
            sys.modules.pop(name, None)


class Submodules:
    """Loads a library after all if a further submodule of it is imported: it has no place in a stand-in."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A specification of the module, which is loaded then; None for one of another library."""
        if path is not ELSEWHERE:
            return None
        _end()
        import_module(name)
        return ModuleSpec(name, Loaded(sys.modules.pop(name)))  # Python would run what it finds there again


class Loaded:
    """Hands a module over that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module as it is."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is run again; it keeps its own specification."""
        module.__spec__ = self.spec


class StandIn(ModuleType):
    """A module whose functions and classes load it when they are called; those that mark functions leave them alone."""

    __path__ = ELSEWHERE

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)  # for those who ask whether the library is there

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(f"the stand-in of {self.__name__} has no {name}")
        if self.__name__ == COMPILER and name in MARKS:
            return _unmarked
        return Late(self.__name__, name)


class Late:
    """A function, class or object of a module that is not loaded yet.

    Arguments
    ---------
    module : str
        The module's full name.
    name : str
        What is wanted of it.

    Example
    -------
    >>> Late("math", "hypot")(3, 4), Late("math", "hypot").__name__
    (5.0, 'hypot')
    """

    def __init__(self, module: str, name: str) -> None:
        self.__dict__.update(__module__=module, __name__=name)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._loaded()(*args, **kwargs)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"{self.__module__}.{self.__name__} has no {name} before it is loaded")
        return getattr(self._loaded(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._loaded(), name, value)

    def _loaded(self) -> Callable:
        _end()
        return getattr(import_module(self.__module__), self.__name__)


def _unmarked(function: Callable | None = None, *args: object, **kwargs: object) -> Callable:
    """The function as it is, for a decorator with or without arguments."""
    return _unmarked if function is None else function
