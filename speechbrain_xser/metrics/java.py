"""The Java programs that come with pycocoevalcap: found, run, and named when Java is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from speechbrain_xser.errors import MetricError


def java_path() -> str:
    """Where Java is.

    Returns
    -------
    str

    Raises
    ------
    MetricError
        If there is none; names the package to install.

    Example
    -------
    >>> Path(java_path()).name  # doctest: +SKIP
    'java'
    """
    found = shutil.which("java")
    if found is None:
        raise MetricError(
            "There is no java on the PATH. The PTB tokenizer, METEOR and SPICE need it: install a runtime, on "
            "Debian and "
            "Ubuntu `apt-get install default-jre-headless`, with conda `conda install openjdk`."
        )
    return found


def caption_folder() -> Path:
    """Where pycocoevalcap and its jars are.

    Example
    -------
    >>> (caption_folder() / "spice" / "spice-1.0.jar").exists()
    True
    """
    return Path(next(iter(find_spec("pycocoevalcap").submodule_search_locations)))


def run_java(arguments: Sequence[str], what: str, **options) -> subprocess.CompletedProcess:
    """Runs a Java program to its end.

    Arguments
    ---------
    arguments : sequence of str
        After ``java``.
    what : str
        Names it in the message.
    options
        For ``subprocess.run``.

    Returns
    -------
    subprocess.CompletedProcess
        Its output is text.

    Raises
    ------
    MetricError
        If Java is missing or the program fails; tells why.
    """
    done = subprocess.run([java_path(), *arguments], capture_output=True, text=True, encoding="utf-8", **options)
    if done.returncode != 0:
        raise MetricError(f"{what} ended with {done.returncode}: {_reason(done.stderr + done.stdout)}")
    return done


def _reason(output: str) -> str:
    """The line of a stack trace that says what went wrong: the cause, else the exception, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no message"]
    for mark in ("Caused by", "Exception", "Error"):
        if found := [line for line in lines if mark in line]:
            return found[-1]
    return lines[-1]
