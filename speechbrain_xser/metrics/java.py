"""Finds and runs the Java programs that come with pycocoevalcap; without Java, an error says how to install it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from speechbrain_xser.errors import MetricError


def java_path() -> str:
    """The path of Java; a ``MetricError`` that names the package to install if there is none."""
    found = shutil.which("java")
    if found is None:
        raise MetricError(
            "There is no java on the PATH. The PTB tokenizer, METEOR and SPICE need it: install a runtime, on Debian "
            "and Ubuntu `apt-get install default-jre-headless`, with conda `conda install openjdk`."
        )
    return found


def caption_folder() -> Path:
    """The folder of pycocoevalcap and its jars.

    Example
    -------
    >>> (caption_folder() / "spice" / "spice-1.0.jar").exists()
    True
    """
    return Path(next(iter(find_spec("pycocoevalcap").submodule_search_locations)))


def run_java(arguments: Sequence[str], what: str, **options) -> subprocess.CompletedProcess:
    """Runs a Java program, ``what`` in messages, and returns its text output; a ``MetricError`` if it fails."""
    done = subprocess.run([java_path(), *arguments], capture_output=True, text=True, encoding="utf-8", **options)
    if done.returncode != 0:
        raise MetricError(f"{what} ended with {done.returncode}: {_reason(done.stderr + done.stdout)}")
    return done


def _reason(output: str) -> str:
    """The line of a stack trace that says what failed: the cause, or else the exception, or else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no message"]
    for mark in ("Caused by", "Exception", "Error"):
        if found := [line for line in lines if mark in line]:
            return found[-1]
    return lines[-1]
