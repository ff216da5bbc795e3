"""Longer recordings of an actor: clips of one voice in one emotion, one after the other, with short pauses.

CREMA-D's clips are two or three seconds long; people read and speak for longer. Pitch, volume and speed are measured
anew on the whole passage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NamedTuple

import soundfile
import torch
from Small.joining import SAMPLE_RATE, joined, trimmed
from Small.sentences import written

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.parallel import in_parallel

VERSION = 1  # of how a passage is made, in the names of files
CLIPS = (2, 3, 4, 5, 6)  # of a passage, drawn
LONGEST = 16.0  # seconds of its clips, where they are more than two
PAUSES = (0.15, 0.7)  # seconds between clips
MEASURED = ("pitch", "volume", "speed", "intonation", "emphasis")  # on the whole passage
TOLD = ("tone", "topic", "description", "caption", "recognized")  # of one clip only


class Passage(NamedTuple):
    """Clips of one speaker in one emotion."""

    clips: tuple[Utterance, ...]
    pauses: tuple[float, ...]  # seconds, between them

    @property
    def id(self) -> str:
        """The first clip's, how many there are, and a digest of which."""
        plan = repr((VERSION, [(clip.id, clip.duration) for clip in self.clips], self.pauses))
        return f"{self.clips[0].id}-{len(self.clips)}-{sha256(plan.encode()).hexdigest()[:8]}"


def write_passages(
    manifest: str | Path,
    save_folder: str | Path,
    data_folder: str | Path | None = None,
    seed: int = 1,
    workers: int | None = None,
) -> str:
    """Joins the clips of a manifest, none of them twice; goes on where it was stopped.

    Arguments
    ---------
    manifest : str | Path
        Clips with speakers, emotions and transcripts.
    save_folder : str | Path
        Where ``NAME-passages.jsonl`` goes, and its FLAC files into ``wav/NAME-passages``.
    data_folder : str | Path | None
        What ``{data_root}`` stands for.
    seed : int
        Decides which clips follow each other.
    workers : int | None
        Processes at a time, None for one a core.

    Returns
    -------
    str
        The manifest of the passages, without pitch, volume and speed.

    Raises
    ------
    ManifestError
        If the manifest is wrong.
    AudioError
        If a clip cannot be read.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", 0.1 * torch.randn(16000).numpy(), 16000)
    >>> clip = Utterance("a", str(folder / "a.wav"), speaker="1", transcript="Go home", emotion="sad")
    >>> write_manifest(folder / "train.jsonl", [clip, clip._replace(id="b")])
    >>> [passage] = read_manifest(write_passages(folder / "train.jsonl", folder, workers=1))
    >>> passage.transcript, passage.emotion, passage.duration > 2.1
    ('Go home. Go home.', 'sad', True)
    """
    name = f"{Path(manifest).stem}-passages"
    folder = Path(save_folder, "wav", name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    planned = passages(read_manifest(manifest), seed)
    work = partial(_written, folder, data_folder, Path(manifest).parent)
    path = Path(save_folder, f"{name}.jsonl")
    write_manifest(path, in_parallel(work, planned, f"joining {name}", len(planned), workers))
    return str(path)


def passages(clips: Sequence[Utterance], seed: int) -> list[Passage]:
    """Plans passages; of the clips of one speaker and emotion, one may be left over.

    Arguments
    ---------
    clips : Sequence[Utterance]
        With speakers and emotions.
    seed : int
        Decides everything.

    Returns
    -------
    list[Passage]
        Each of at least two clips of one speaker and one emotion; no clip stands in two.

    Example
    -------
    >>> clips = [Utterance(str(n), "a.wav", speaker=str(n % 2), emotion="sad") for n in range(8)]
    >>> [len({clip.speaker for clip in passage.clips}) for passage in passages(clips, 1)]
    [1, 1]
    """
    alike, random = defaultdict(list), Random(f"passages {seed}")
    for clip in clips:
        alike[clip.speaker, clip.emotion].append(clip)
    planned = []
    for group in alike.values():
        random.shuffle(group)
        while len(group) > 1:
            count = random.choice(CLIPS)
            while count > 2 and sum(clip.duration or 0.0 for clip in group[:count]) > LONGEST:
                count -= 1
            chosen, group = group[:count], group[count:]
            planned.append(Passage(tuple(chosen), tuple(random.uniform(*PAUSES) for _ in chosen[1:])))
    return planned


def _written(folder: Path, data_folder: str | Path | None, base: Path, passage: Passage) -> Utterance:
    torch.set_num_threads(1)
    path = folder / f"{passage.id}.flac"
    if not path.is_file() or path.stat().st_size == 0:
        waves = [load_audio(resolve(clip, data_folder, base), clip.start, clip.stop) for clip in passage.clips]
        wave = joined([trimmed(wave) for wave in waves], passage.pauses)
        with moved_into_place(path) as beside:
            soundfile.write(beside, wave.numpy(), SAMPLE_RATE, "PCM_16", format="FLAC")
    words = " ".join(written(clip.transcript) for clip in passage.clips)
    row = passage.clips[0]._replace(id=passage.id, wav=str(path), start=None, stop=None, transcript=words)
    return row._replace(**dict.fromkeys(MEASURED + TOLD), duration=round(soundfile.info(path).duration, 4))
