"""Makes a process ready fast that explains or annotates recordings: a command, or a worker of one."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from speechbrain_xser.utils.garbage import collection_paused
from speechbrain_xser.utils.late_imports import imports_put_off


@contextmanager
def importing() -> Iterator[None]:
    """Imports and loads a model fast: libraries that no answer needs are put off, and garbage collection is paused.

    It would scan the million long-lived objects of the modules again and again, and once more when the process ends.

    Example
    -------
    >>> with importing():
    ...     import json
    """
    atexit.unregister(_leave_to_the_system)
    atexit.register(_leave_to_the_system)
    with collection_paused(), imports_put_off():
        yield


def _leave_to_the_system() -> None:
    """Lets the process end without a last scan, but for Triton, whose binding then prints hundreds of leaks."""
    if "triton" not in sys.modules:
        gc.freeze()
