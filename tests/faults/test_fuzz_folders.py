"""Folders as people have them: odd names, links in circles, pipes, and sounds that are spoilt."""

import io
import os
from functools import partial
from pathlib import Path
from random import Random

from speechbrain_xser.data.audio import load_audio, read_header
from speechbrain_xser.data.examination import examine
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import AudioError
from speechbrain_xser.explaining.clip_sources import find_clips
from tests.faults.fuzzing import BROKEN_NAME, Case, outcomes
from tests.faults.spoiling import chance
from tests.faults.test_fuzz_sounds import odd_sound

NAMES = (
    *("a.wav", "b b.mp3", BROKEN_NAME, "\udcff.flac", "x.tar#0+9"),
    *("é.OGG", ".hidden.wav", "no", "-.aiff", "%s.opus"),
)


def filled(random: Random, folder: Path) -> Path:
    """A folder with something odd in it."""
    below = folder / random.choice(("in", "in#1", "in.wav"))
    below.mkdir()
    for name in random.sample(NAMES, random.randrange(1, 5)):
        odd_sound(random, Path(os.fsdecode(below), name))
    for make in (
        lambda: (below / "loop").symlink_to(below),
        lambda: (below / "nowhere.wav").symlink_to("gone.wav"),
        lambda: os.mkfifo(below / "pipe.wav"),
        lambda: (below / "deep.wav").mkdir(),
    ):
        if chance(random, 0.3):
            make()
    return below


def read_all(sources: list[str], listed: bytes, folder: Path) -> None:
    """Finds clips as ``xser explain`` does, and reads each of them as it and ``xser check`` do."""
    faults, clips = [], list(find_clips(sources, io.BytesIO(listed), folder))
    for clip in clips:
        try:
            if clip.fault is not None:
                raise AudioError(clip.fault)
            read_header(clip.path, max_seconds=30.0)
            load_audio(clip.path, max_seconds=30.0)
        except AudioError as error:
            faults.append(error)
        if not os.path.isdir(clip.path):
            examine(Utterance(clip.name, clip.path), None, folder)
    if clips and len(faults) == len(clips):
        raise faults[0]


def cases(random: Random, folder: Path) -> Case:
    """A folder, by its name or by a list of what is in it."""
    below = filled(random, folder)
    listed = random.choice((b"", b"\n".join(map(os.fsencode, below.iterdir())), random.randbytes(99), b"a\0b"))
    sources = [str(below), "-"] if chance(random, 0.5) else [str(below)]
    return partial(read_all, sources, listed, folder)


def test_a_folder_of_odd_files_is_read_or_gives_one_of_our_errors():
    found = outcomes("folders")
    assert found["result"] and found["AudioError"]
