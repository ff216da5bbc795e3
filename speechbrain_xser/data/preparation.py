"""What every recipe's ``prepare.py`` shares: finding clips, and writing the splits once.

A preparation is done when a small file beside the manifests holds the digest of what went in. It is written last and
moved into place, so a killed run starts again, and a finished one changes nothing.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.errors import ManifestError

logger = logging.getLogger(__name__)

AUDIO_SUFFIXES = (".wav", ".flac", ".opus", ".ogg")
DONE = "prepared.json"


def find_audio(folder: str | Path) -> dict[str, Path]:
    """Finds the clips that lie in a folder (not in folders below it).

    Arguments
    ---------
    folder : str | Path
        Where to look for wav, flac, opus and ogg files.

    Returns
    -------
    dict[str, Path]
        Path by file name without suffix, in the order of the names.

    Raises
    ------
    ManifestError
        If the folder or its clips are missing, or two files differ in their suffix only.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "b.wav").touch(), Path(folder, "a.opus").touch(), Path(folder, "a.txt").touch()
    ...     list(find_audio(folder))
    (None, None, None)
    ['a', 'b']
    """
    if not Path(folder).is_dir():
        raise ManifestError(f"No folder {folder}: hand over the corpus's own folder as data_folder.")
    files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise ManifestError(f"No clip in {folder}, expected {', '.join(AUDIO_SUFFIXES)}: was the corpus unpacked?")
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            raise ManifestError(f"Found {found[path.stem].name} and {path.name} in {folder}: remove one of the two.")
        found[path.stem] = path
    return found


def write_splits(save_folder: str | Path, splits: dict[str, list[Utterance]]) -> dict[str, str]:
    """Writes one manifest a split and logs how many utterances each has.

    Arguments
    ---------
    save_folder : str | Path
        Made if it is not there.
    splits : dict[str, list[Utterance]]
        Utterances by split.

    Returns
    -------
    dict[str, str]
        Path of ``{split}.jsonl`` by split.

    Raises
    ------
    ManifestError
        If a split is empty, or as :func:`write_manifest`.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(write_splits(folder, {"test": [Utterance("a", "a.wav")]})["test"]).name
    'test.jsonl'
    """
    os.makedirs(save_folder, exist_ok=True)
    paths = {split: str(Path(save_folder, f"{split}.jsonl")) for split in splits}
    for split, utterances in splits.items():
        if not utterances:
            raise ManifestError(f"No utterance for {paths[split]}: the corpus folder is too incomplete to be split.")
        write_manifest(paths[split], utterances)
        logger.info("%s: %d utterances", paths[split], len(utterances))
    return paths


def _digest(options: dict, files: Iterable[Path]) -> str:
    listing = [[path.name, path.stat().st_size] for path in files]
    return sha256(json.dumps([options, listing], sort_keys=True).encode()).hexdigest()


def prepare_once(
    save_folder: str | Path,
    options: dict,
    files: Iterable[Path],
    build: Callable[[], dict[str, list[Utterance]]],
) -> dict[str, str]:
    """Builds and writes a corpus's manifests, unless that was done from the same options and files.

    Arguments
    ---------
    save_folder : str | Path
        Where ``{split}.jsonl`` and ``prepared.json`` go.
    options : dict
        Whatever else decides the manifests; must fit into JSON.
    files : Iterable[Path]
        What is read; names and sizes are compared.
    build : Callable
        Gives the utterances by split; called only when something is new.

    Returns
    -------
    dict[str, str]
        Path of the manifest by split.

    Raises
    ------
    ManifestError
        If a split is empty.

    Example
    -------
    >>> import tempfile
    >>> calls = []
    >>> def build():
    ...     calls.append("called")
    ...     return {"train": [Utterance(id="a", wav="a.wav")]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = prepare_once(folder, {"seed": 1}, [], build)
    ...     first == prepare_once(folder, {"seed": 1}, [], build), calls
    (True, ['called'])
    """
    done = Path(save_folder, DONE)
    digest = _digest(options, files)
    if done.exists():
        state = json.loads(done.read_text(encoding="utf-8"))
        if state["digest"] == digest and all(Path(save_folder, name).exists() for name in state["manifests"].values()):
            return {split: str(Path(save_folder, name)) for split, name in state["manifests"].items()}
        done.unlink()
    paths = write_splits(save_folder, build())
    state = {"digest": digest, "manifests": {split: Path(path).name for split, path in paths.items()}}
    beside = done.with_suffix(".tmp")
    beside.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, done)
    return paths
