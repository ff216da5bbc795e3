"""Unpacks the annotated clips of the hub's tar archives into files, once."""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

from SpeechCraft.gigaspeech import Shard

from speechbrain_xser.data.durations import UNREADABLE
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.utils.files import moved_into_place


class Wanted(NamedTuple):
    """The clips to unpack from one archive."""

    shard: Shard
    clips: list[Utterance | Dropped]  # an utterance's wav is the path of its clip


def unpack(wanted: Wanted) -> list[Utterance | Dropped]:
    """Unpacks the wanted clips of an archive that do not exist yet.

    Arguments
    ---------
    wanted : Wanted
        Nothing is written if its archive is a folder.

    Returns
    -------
    list of Utterance or Dropped
        The same clips, with a fault for each that a damaged archive lacks.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.wav").write_bytes(b"sound")
    >>> with tarfile.open(folder / "m_chunks_0000.tar.gz", "w:gz") as tar:
    ...     tar.add(folder / "a.wav", "m_chunks_0000/a.wav")
    >>> clips = [Utterance(name, str(folder / "audio" / f"{name}.wav")) for name in "ab"]
    >>> found, lost = unpack(Wanted(Shard(folder / "m_chunks_0000.tar.gz", folder / "m.csv"), clips))
    >>> Path(found.wav).read_bytes(), lost.detail
    (b'sound', '...m_chunks_0000.tar.gz: no b.wav in it')
    """
    archive, clips = wanted.shard.archive, [clip for clip in wanted.clips if isinstance(clip, Utterance)]
    missing = {Path(clip.wav).name: Path(clip.wav) for clip in clips if not os.path.exists(clip.wav)}
    why = f"{archive}: no {{}} in it"
    if missing and not archive.is_dir():
        next(iter(missing.values())).parent.mkdir(parents=True, exist_ok=True)
        try:
            _extract(archive, missing)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            why = f"{archive}: {error}, fetch the archive again; {{}} is not in what could be read"
    return [_found(clip, why) for clip in wanted.clips]


def _extract(archive: Path, missing: dict[str, Path]) -> None:
    """Writes members under the last part of their name, each complete or not at all."""
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            target = missing.get(Path(member.name).name)
            if target is None or not member.isfile():
                continue
            with moved_into_place(target) as beside, open(beside, "wb") as file:
                shutil.copyfileobj(tar.extractfile(member), file)


def _found(clip: Utterance | Dropped, why: str) -> Utterance | Dropped:
    if isinstance(clip, Dropped) or os.path.exists(clip.wav):
        return clip
    return Dropped(clip.id, UNREADABLE, why.format(Path(clip.wav).name), fault=True)
