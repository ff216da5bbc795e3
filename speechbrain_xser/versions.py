"""The versions of libraries that this package runs with, checked once, when it is imported.

Bounds stand once, in setup.py, and are read from the installed package's own metadata; so are the versions that are
installed: a library that cannot even be imported (a torchaudio built for another torch, say) is one clear line instead
of a failure deep inside somebody else's code. What is missing, too old or known to break is refused. What is newer
than anything that was tested is a warning, since people install next to other things.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import NamedTuple, NoReturn

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from speechbrain_xser.errors import VersionError

logger = logging.getLogger(__name__)
VERSION = "0.1.0"  # of this package, as in setup.py
PACKAGE = "speechbrain_xser"
MODEL_CODE = ("torch", "transformers", "peft", "safetensors", "huggingface_hub")  # what lobes and decoder import
PROGRAMS = ("pip",)  # are run and never imported; who runs one says so where it is missing
ONLY_MODEL_CODE = "XSER_ONLY_MODEL_CODE"  # set in an environment that has no more than that, as some benchmarks have
UPPER = ("<", "<=")  # of a bound that a newer version is outside of
REFUSED = 2  # exit code of a script that ends here, as of every command


class Broken(NamedTuple):
    """Versions that were seen to fail, alone or beside each other, though each may be inside its range.

    Example
    -------
    >>> pair = Broken({"torch": "==2.11.*", "torchaudio": "==2.11.1"}, "torchaudio==2.11.0")
    >>> pair.holds({"torch": "2.11.0+cu128", "torchaudio": "2.11.1"}.get), pair.holds({"torch": "2.11.0"}.get)
    (True, False)
    """

    versions: dict[str, str]  # specifier of each library that takes part
    remedy: str  # requirement that mends it

    def holds(self, version_of: Callable[[str], str | None]) -> bool:
        """Whether exactly this is installed."""
        found = {library: version_of(library) for library in self.versions}
        return all(
            version is not None and SpecifierSet(self.versions[library]).contains(version, prereleases=True)
            for library, version in found.items()
        )


KNOWN_BROKEN = (
    # undefined symbol: torch_exception_get_what_without_backtrace
    Broken({"torch": ">=2.11,<2.13", "torchaudio": "==2.11.1"}, "torchaudio==2.11.0"),
    # compiled with CUDA 13.0, torch with 13.2
    Broken({"torch": ">=2.15", "torchaudio": "==2.11.0"}, "torchaudio==2.11.1"),
    # every YAML load of hyperpyyaml ends in an AttributeError
    Broken({"ruamel.yaml": ">=0.19"}, "ruamel.yaml<0.19"),
)


class Mismatch(NamedTuple):
    """One library outside its tested range.

    Example
    -------
    >>> str(Mismatch("peft", "0.10.0", "<0.22,>=0.21"))
    'peft 0.10.0 (expected <0.22,>=0.21)'
    """

    library: str  # name on the package index
    found: str | None  # installed version, None where it is not installed
    expected: str  # specifier
    newer: bool = False  # than everything that was tested

    def __str__(self) -> str:
        return f"{self.library} {self.found or 'not installed'} (expected {self.expected})"


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


def requirements(extra: str = "") -> list[Requirement]:
    """What the installed package asks for, by its own metadata.

    Arguments
    ---------
    extra : str
        Name of an extra, for its requirements alone; those of the package itself by default.

    Returns
    -------
    list of Requirement
        Empty where the package is not installed, as in a checkout on the module path.

    Example
    -------
    >>> "torch" in [requirement.name for requirement in requirements()]
    True
    >>> [requirement.name for requirement in requirements("web")]
    ['gradio']
    """
    try:
        found = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    except metadata.PackageNotFoundError:
        return []
    return [one for one in found if _applies(one, extra) and not (extra and _applies(one, ""))]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def install_hint(extra: str) -> str:
    """The command that brings what an extra brings; it names the libraries, since the package is on no index.

    Arguments
    ---------
    extra : str
        Of setup.py: web, report, ...

    Returns
    -------
    str

    Example
    -------
    >>> install_hint("web")
    'pip install "gradio<7,>=6.31"'
    """
    return _install([f"{one.name}{one.specifier}" for one in requirements(extra)] or [f".[{extra}]"])


def _install(wanted: Iterable[str]) -> str:
    return "pip install " + " ".join(f'"{one}"' for one in wanted)  # quoted as every shell takes it


def find_mismatches(
    version_of: Callable[[str], str | None] = installed_version, required: Iterable[Requirement] | None = None
) -> list[Mismatch]:
    """Libraries outside their tested range.

    Arguments
    ---------
    version_of : callable
        Gives the version of a library, or None.
    required : iterable of Requirement, optional
        By default those of the installed package.

    Returns
    -------
    list of Mismatch
        Empty where everything is inside.

    Example
    -------
    >>> find_mismatches()
    []
    >>> find_mismatches({"peft": "0.10.0"}.get, [Requirement("peft>=0.21,<0.22")])
    [Mismatch(library='peft', found='0.10.0', expected='<0.22,>=0.21', newer=False)]
    """
    required = [one for one in (requirements() if required is None else required) if one.name not in PROGRAMS]
    checked = [one for one in required if one.name in MODEL_CODE or not os.environ.get(ONLY_MODEL_CODE)]
    found = [_mismatch(one, version_of(one.name)) for one in checked]
    return [mismatch for mismatch in found if mismatch is not None]


def _mismatch(requirement: Requirement, found: str | None) -> Mismatch | None:
    broken = [bound for bound in requirement.specifier if found and not bound.contains(found, prereleases=True)]
    if found is not None and not broken:
        return None
    newer = found is not None and all(bound.operator in UPPER for bound in broken)
    return Mismatch(requirement.name, found, str(requirement.specifier), newer)


def check_versions(
    version_of: Callable[[str], str | None] = installed_version, required: Iterable[Requirement] | None = None
) -> None:
    """Refuses, in one line, to go on with libraries that are known not to work; warns once of newer ones.

    Arguments
    ---------
    version_of, required
        As for :func:`find_mismatches`.

    Raises
    ------
    VersionError
        Names every library that is missing, below its lower bound or known to break, what was expected, and the one
        command that puts it right.

    Example
    -------
    >>> check_versions()
    >>> check_versions({"torch": "2.11.0", "torchaudio": "2.11.1"}.get, [])
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.VersionError: speechbrain_xser cannot run with torch 2.11.0 and torchaudio 2.11.1, which \
do not work together. Run: pip install "torchaudio==2.11.0"
    """
    mismatches = find_mismatches(version_of, required)
    for broken in KNOWN_BROKEN:
        if broken.holds(version_of):
            _refuse(_told(broken, version_of), [broken.remedy])
    if refused := [mismatch for mismatch in mismatches if not mismatch.newer]:
        wanted = [f"{mismatch.library}{mismatch.expected}" for mismatch in refused]
        _refuse(f"{'; '.join(map(str, refused))}.", wanted)
    if mismatches and multiprocessing.parent_process() is None:  # a worker would say it again
        found = "; ".join(str(mismatch).replace("expected", "tested with") for mismatch in mismatches)
        logger.warning("%s was not tested with %s. Continuing anyway.", PACKAGE, found)


def _told(broken: Broken, version_of: Callable[[str], str | None]) -> str:
    found = " and ".join(f"{library} {version_of(library)}" for library in broken.versions)
    return f"{found}, which {'do not work together' if len(broken.versions) > 1 else 'does not work'}."


def _refuse(what: str, wanted: Iterable[str]) -> NoReturn:
    raise VersionError(f"{PACKAGE} cannot run with {what} Run: {_install(wanted)}")


def end_in_one_line() -> None:
    """A :class:`VersionError` that nobody catches ends a script with its one line instead of a traceback.

    It is raised while modules are imported, so no script has a place to catch it. Other errors are shown as before.
    """
    shown_before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: object) -> None:
        if not issubclass(kind, VersionError):
            shown_before(kind, error, trace)
            return
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(REFUSED)

    sys.excepthook = show
