"""The versions that this package was tested with, checked once, when it is imported.

Versions are read from the installed metadata, so that a library which cannot even be imported (a torchaudio built
for another torch, say) gives one clear line instead of a failure deep inside somebody else's code.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from speechbrain_xser.errors import VersionError

VERSION = "0.1.0"  # of this package, as in setup.py
TESTED = {  # the same bounds as in setup.py; hub versions are bounded by transformers
    "torch": ">=2.11,<2.16",
    "torchaudio": ">=2.11,<2.12",
    "speechbrain": ">=1.1,<1.2",
    "transformers": ">=5.24,<6",
    "peft": ">=0.21,<0.22",
    "hyperpyyaml": ">=1.2.2,<2",
    "ruamel.yaml": ">=0.17.28,<0.19",
    "safetensors": ">=0.4.3,<1",
    "huggingface_hub": ">=1.31,<3",
}


MODEL_CODE = ("torch", "transformers", "peft", "safetensors", "huggingface_hub")  # what lobes and decoder import
ONLY_MODEL_CODE = "XSER_ONLY_MODEL_CODE"  # set in an environment that has no more than that, as some benchmarks have


class Mismatch(NamedTuple):
    """One library outside its tested range.

    Example
    -------
    >>> str(Mismatch("torch", "2.12.0", "==2.11.*"))
    'torch 2.12.0 (tested with ==2.11.*)'
    """

    library: str  # name on the package index
    found: str | None  # installed version, None where it is not installed
    expected: str  # specifier

    def __str__(self) -> str:
        return f"{self.library} {self.found or 'not installed'} (tested with {self.expected})"


def installed_version(library: str) -> str | None:
    """The installed version of a library, without importing it; None where it is not installed.

    Example
    -------
    >>> installed_version("no-such-library-at-all") is None
    True
    """
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def find_mismatches(version_of: Callable[[str], str | None] = installed_version) -> list[Mismatch]:
    """Libraries outside their tested range, the torch/torchaudio pair included.

    Arguments
    ---------
    version_of : callable
        Gives the version of a library, or None.

    Returns
    -------
    list of Mismatch
        Empty where everything is inside.

    Example
    -------
    >>> find_mismatches()
    []
    >>> find_mismatches({**{name: installed_version(name) for name in TESTED}, "peft": "0.10.0"}.get)
    [Mismatch(library='peft', found='0.10.0', expected='>=0.21,<0.22')]
    """
    return [
        Mismatch(library, found, expected)
        for library, expected in TESTED.items()
        if library in MODEL_CODE or not os.environ.get(ONLY_MODEL_CODE)
        for found in [version_of(library)]
        if found is None or not SpecifierSet(expected, prereleases=True).contains(Version(found))
    ]


def check_versions(version_of: Callable[[str], str | None] = installed_version) -> None:
    """Refuses, in one line, to go on with libraries outside their tested ranges.

    Arguments
    ---------
    version_of : callable
        Gives the version of a library, or None.

    Raises
    ------
    VersionError
        Names every library, what was found, what was expected and the command that puts it right.

    Example
    -------
    >>> check_versions()
    >>> check_versions({"torch": "2.11.0"}.get)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.VersionError: speechbrain_xser cannot run with torchaudio not installed (tested ...
    """
    mismatches = find_mismatches(version_of)
    if mismatches:
        found = "; ".join(str(mismatch) for mismatch in mismatches)
        remedy = " ".join(f'"{mismatch.library}{mismatch.expected}"' for mismatch in mismatches)
        raise VersionError(f"speechbrain_xser cannot run with {found}: pip install {remedy}")
