"""Prepares SpeechCraft's English parts (Jin et al., 2024, ACM MM) as manifests: GigaSpeech-M and LibriTTS-R.

Labels, descriptions and instructions are SpeechCraft's; the audio is that of the corpora that it annotates, from
whichever release is in the data folder: see the README beside this file. Everything is streamed.

    python recipes/SpeechCraft/prepare.py --data_folder=corpora/SpeechCraft --save_folder=results/SpeechCraft
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

from SpeechCraft.annotations import indexed
from SpeechCraft.gigaspeech import Shard, find_metadata, find_shards, recorded_passages, shard_passages
from SpeechCraft.joining import NO_AUDIO, Joining
from SpeechCraft.libritts import find_subsets, read_passages
from SpeechCraft.passage import Passage
from SpeechCraft.shards import Wanted, unpack

from speechbrain_xser.annotator.annotation import annotation
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.durations import probe
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.importing import fitted
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.data.pipeline import DATA_ROOT
from speechbrain_xser.data.preparation import extend_summary, prepare_once
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.parallel import in_parallel

LICENCE = "none is stated for the annotations; GigaSpeech: non-commercial research; LibriTTS-R: CC BY 4.0"
FIGURES = {"clips": 670_070}  # in GigaSpeech-M, by its authors' count


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    annotations: str | None = None,
    max_seconds: float | None = 30.0,
    valid_share: float = 0.01,
    test_share: float = 0.01,
    seed: str = "speechcraft-0",
    annotate: bool = False,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``train``, ``valid`` and ``test.jsonl``; a second call is quick and changes nothing.

    Arguments
    ---------
    data_folder : str | Path
        Folder of GigaSpeech (GigaSpeech.json and audio, or the hub's archives and tables), LibriTTS-R, or both.
    save_folder : str | Path
        Where the manifests are written, and clips unpacked from archives.
    annotations : str | None
        The folder of SpeechCraft's JSON files; by default "annotations" in the data folder.
    max_seconds : float | None
        Longer clips are left out; None for no limit.
    valid_share, test_share : float
        Share of recordings and readers; a small part of the corpus needs larger shares than the whole.
    seed : str
        Seed for the choice of recordings for validation and test.
    annotate : bool
        Whether the annotator fills in pitch, volume, speed, intonation and emphasis; each manifest's training part
        decides what is low and high.
    wording : str
        Wording of the paragraphs: "plain" has three forms, "varied" hundreds, for an LLM that knows English.

    Returns
    -------
    dict[str, str]
        Path of each split's manifest.

    Raises
    ------
    ManifestError
        If there are no annotations, no audio, or a file is damaged.
    TrainingError
        If more than 1 % of the clips cannot be read; fewer are left out with a warning.
    """
    files = _annotation_files(Path(annotations or Path(data_folder, "annotations")))
    metadata, shards, subsets = (
        find_metadata(data_folder),
        find_shards(data_folder, save_folder),
        find_subsets(data_folder),
    )
    if not (metadata or shards or subsets):
        raise ManifestError(
            f"No audio in {data_folder}, expected GigaSpeech.json, the hub's *_chunks_*.tar.gz, or LibriTTS_R."
        )
    shares = {"train": 1 - valid_share - test_share, "valid": valid_share, "test": test_share}
    account: dict = {}

    def build() -> Iterator[Utterance | Dropped]:
        with indexed(files, save_folder) as index:
            joining = Joining(index, shares, seed)
            sources = (
                _recorded(joining, metadata),
                _unpacked(joining, shards, Path(save_folder, "audio").absolute()),
                _joined(joining, chain.from_iterable(map(read_passages, subsets))),
            )
            clips = probe(map(_rooted(data_folder), chain(*sources)), data_folder)
            yield from (_not_too_long(fitted(clip), max_seconds) for clip in clips)
            yield from (Dropped(id, NO_AUDIO) for id in index.rest())
            account.update(joining.account())

    return prepare_once(
        save_folder,
        {"max_seconds": max_seconds, "seed": seed, "shares": shares, "subsets": [path.name for path in subsets]},
        [*files, *filter(None, [metadata]), *chain.from_iterable(shards)],
        build,
        finish=[
            lambda _: extend_summary(save_folder, account),
            *annotation(annotate, save_folder, data_folder, wording=wording),
        ],
        wording=wording,
    )


def _annotation_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.json"))
    if not files:
        raise ManifestError(
            f"No JSON file in {folder}, expected SpeechCraft's labels, descriptions and instructions: fetch them from "
            "https://github.com/thuhcsi/SpeechCraft, or name their folder as annotations."
        )
    return files


def _joined(joining: Joining, passages: Iterable[Passage]) -> Iterator[Utterance | Dropped]:
    return filter(None, map(joining.join, passages))


def _recorded(joining: Joining, metadata: Path | None) -> Iterator[Utterance | Dropped]:
    """Segments of the original release; a recording that was not downloaded is not a fault."""
    for clip in _joined(joining, recorded_passages(metadata) if metadata else ()):
        absent = isinstance(clip, Utterance) and not os.path.exists(clip.wav)
        yield Dropped(clip.id, NO_AUDIO, clip.wav) if absent else clip


def _unpacked(joining: Joining, shards: list[Shard], folder: Path) -> Iterator[Utterance | Dropped]:
    """Clips of the hub's archives."""
    wanted = (Wanted(shard, list(_joined(joining, shard_passages(shard, _home(shard, folder))))) for shard in shards)
    yield from chain.from_iterable(in_parallel(unpack, wanted, "unpacking archives", len(shards)))


def _home(shard: Shard, folder: Path) -> Path:
    """The folder of an archive's clips, which may not exist yet."""
    return shard.archive if shard.archive.is_dir() else folder / shard.archive.name.split(".")[0]


def _rooted(data_folder: str | Path):
    """Makes paths below the data folder start with ``{data_root}``."""
    root = f"{Path(data_folder)}{os.sep}"

    def rooted(clip: Utterance | Dropped) -> Utterance | Dropped:
        if isinstance(clip, Utterance) and clip.wav.startswith(root):
            return clip._replace(wav=f"{DATA_ROOT}/{clip.wav.removeprefix(root)}")
        return clip

    return rooted


def _not_too_long(clip: Utterance | Dropped, max_seconds: float | None) -> Utterance | Dropped:
    if isinstance(clip, Dropped) or max_seconds is None or clip.duration <= max_seconds:
        return clip
    return Dropped(clip.id, f"longer than {max_seconds:g} s", f"{clip.duration:g} s")


if __name__ == "__main__":
    prepare_command(prepare)
