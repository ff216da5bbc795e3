"""What every folder of tests can use."""

import pytest

from tests.warmed import warmed_python


@pytest.fixture(scope="session")
def python():
    """An interpreter that starts at once, for tests of processes; see ``tests/warmed``."""
    with warmed_python() as path:
        yield path
