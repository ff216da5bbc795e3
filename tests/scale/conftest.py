"""What Ray writes goes where a test can remove it."""

import shutil
import tempfile

import pytest


@pytest.fixture(autouse=True)
def ray_folder(monkeypatch):
    """Ray's sockets lie below it, and their paths have at most 107 bytes."""
    folder = tempfile.mkdtemp(prefix="xr-")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    yield
    shutil.rmtree(folder, ignore_errors=True)
