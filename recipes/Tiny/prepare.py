"""Prepares the tiny recipe's data: the embedded corpus and, if there is a CREMA-D folder, its actors."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from random import Random

from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.synthetic import prepare as prepare_synthetic

LICENCE = "spoken by eSpeak NG; of this package, Apache-2.0"

CREMAD_VALID_SHARE = 0.05  # validation clips per training clip


def real_clips(data_folder: str, save_folder: str, split: str, clips: int) -> list[Utterance]:
    """Clips of CREMA-D's actors of one split, drawn once with a fixed seed, with their paths filled in.

    Arguments
    ---------
    data_folder : str
        Folder that contains ``AudioWAV``.
    save_folder : str
        Where CREMA-D's own manifests are written.
    split : str
        "train", "valid" or "test".
    clips : int
        Maximum number of clips.
    """
    recipe = import_module("CREMA-D.prepare")
    found = read_manifest(recipe.prepare(data_folder, Path(save_folder) / "cremad")[split])
    drawn = Random(f"cremad {split}").sample(found, min(clips, len(found)))
    return [clip._replace(wav=clip.wav.replace("{data_root}", str(Path(data_folder).resolve()))) for clip in drawn]


def prepare(
    save_folder: str,
    train_clips: int,
    valid_clips: int,
    test_clips: int,
    cremad_folder: str | None = None,
    cremad_clips: int = 0,
) -> None:
    """Writes ``SPLIT-CLIPS.jsonl`` for each split; the test set is the embedded corpus alone.

    Arguments
    ---------
    save_folder : str
        Where sound and manifests are written.
    train_clips, valid_clips, test_clips : int
        Number of clips of the embedded corpus.
    cremad_folder : str, optional
        A CREMA-D folder; without it, all speech is synthetic.
    cremad_clips : int
        Maximum number of real training clips.
    """
    counts = {"train": train_clips, "valid": valid_clips, "test": test_clips}
    manifests = prepare_synthetic(save_folder, **{f"{split}_clips": clips for split, clips in counts.items()})
    real = {"train": cremad_clips, "valid": round(CREMAD_VALID_SHARE * cremad_clips), "test": 0}
    for split, manifest in manifests.items():
        utterances = read_manifest(manifest)
        if cremad_folder is not None and real[split] > 0:
            utterances += real_clips(cremad_folder, save_folder, split, real[split])
        write_manifest(f"{save_folder}/{split}-{counts[split]}.jsonl", utterances)
